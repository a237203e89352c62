import type { Peer, Realm } from './peer.ts';
import { caseValues, EPS, type OpOf, type PeerCase, ROPE_THETA, tensorsOf, VIT_EPS } from './peer-case.ts';

/** An array of jax-js, as far as this file uses it. Using one up frees it; `ref` is for one more use. */
interface Arr {
  readonly ref: Arr;
  reshape(shape: readonly number[]): Arr;
  astype(dtype: string): Arr;
  add(other: Arr | number): Arr;
  sub(other: Arr): Arr;
  mul(other: Arr | number): Arr;
  div(other: Arr): Arr;
  slice(...ranges: readonly (readonly number[])[]): Arr;
  data(): Promise<Float32Array>;
  blockUntilReady(): Promise<Arr>;
  dispose(): void;
}

interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): void;
  getWebGPUDevice(): GPUDevice;
  jit(f: (...args: Arr[]) => Arr): (...args: Arr[]) => Arr;
  readonly numpy: {
    readonly float16: string;
    array(values: Float32Array): Arr;
    matmul(a: Arr, b: Arr): Arr;
    transpose(x: Arr, order: readonly number[]): Arr;
    concatenate(parts: readonly Arr[], axis: number): Arr;
    mean(x: Arr, axis: number, options: { readonly keepdims: boolean }): Arr;
    square(x: Arr): Arr;
    sqrt(x: Arr): Arr;
  };
  readonly nn: {
    softmax(x: Arr, axis: number): Arr;
    standardize(x: Arr, axis: number, options: { readonly epsilon: number }): Arr;
    dotProductAttention(q: Arr, k: Arr, v: Arr, options?: { readonly isCausal: boolean }): Arr;
    gelu(x: Arr, options: { readonly approximate: boolean }): Arr;
    silu(x: Arr): Arr;
  };
}

/** jax-js, jitted. Its f16 needs Float16Array, which came with Node 24. */
export async function startJax({ load }: Realm): Promise<Peer> {
  const jax = (await load('@jax-js/jax')) as Jax;
  const devices = await jax.init('webgpu');
  if (!devices.includes('webgpu')) throw new Error('jax-js finds no WebGPU adapter');
  jax.defaultDevice('webgpu');
  const device = jax.getWebGPUDevice();
  const hasHalf = 'Float16Array' in globalThis && device.features.has('shader-f16');
  return {
    version: '',
    variants: ({ dtype }) => (dtype === 'f32' || (dtype === 'f16' && hasHalf) ? 1 : 0),
    async open(one) {
      const names = Object.keys(tensorsOf(one));
      const operands = names.map((name) => operandOf(jax, one, name));
      const extra = one.op === 'decoder step' ? ropeRow(jax, one) : [];
      const all = [...operands, ...extra];
      const compute = jax.jit((...args) => build(jax, one, names, args));
      const once = (): Arr => compute(...all.map((x) => x.ref));
      return {
        read: async () => Float32Array.from(await once().data()),
        async run() {
          // Work is submitted when its result is asked for, and never where that was disposed of before: keep all.
          const results = Array.from({ length: one.reps }, once);
          await Promise.all(results.map((result) => result.blockUntilReady()));
          await device.queue.onSubmittedWorkDone();
          for (const result of results) result.dispose();
        },
        dispose: () => all.forEach((x) => void x.dispose()),
      };
    },
  };
}

/** Weights of layers as [inputs, outputs]: what `x @ w` of this library takes. */
function operandOf({ numpy: np }: Jax, one: PeerCase, name: string): Arr {
  const shape = tensorsOf(one)[name] ?? [];
  const x = np.array(caseValues(one, name)).reshape(shape);
  const isWeight = shape.length === 2 && name.endsWith('weight');
  const turned = isWeight ? np.transpose(x, [1, 0]).add(0) : x;
  return one.dtype === 'f16' ? turned.astype(np.float16) : turned;
}

function ropeRow({ numpy: np }: Jax, { hidden, heads, past }: OpOf<'decoder step'>): Arr[] {
  const half = hidden / heads / 2;
  const angles = Float32Array.from({ length: half }, (_, i) => past / ROPE_THETA ** (i / half));
  return [np.array(angles.map(Math.cos)), np.array(angles.map(Math.sin))];
}

function build(jax: Jax, one: PeerCase, names: readonly string[], args: readonly Arr[]): Arr {
  const { numpy: np, nn } = jax;
  const of = (name: string): Arr => {
    const x = args[names.indexOf(name)];
    if (!x) throw new Error(`there is no operand "${name}"`);
    return x;
  };
  switch (one.op) {
    case 'matmul':
      return np.matmul(of('a'), of('b'));
    case 'matvec':
      return np.matmul(of('x'), of('weight'));
    case 'softmax':
      return nn.softmax(of('x'), -1);
    case 'layernorm':
      return nn.standardize(of('x'), -1, { epsilon: EPS }).mul(of('weight')).add(of('bias'));
    case 'attention':
      return nn.dotProductAttention(of('q'), of('k'), of('v'), { isCausal: one.causal });
    case 'vit block':
      return vitBlock(jax, one, of);
    default: {
      const [cos, sin] = args.slice(names.length);
      if (!cos || !sin) throw new Error('the rope row is missing');
      return decoderStep(jax, one, of, cos, sin);
    }
  }
}

function vitBlock({ numpy: np, nn }: Jax, one: OpOf<'vit block'>, of: (name: string) => Arr): Arr {
  const { seq, hidden, heads } = one;
  const linear = (x: Arr, name: string): Arr => np.matmul(x, of(`${name}.weight`)).add(of(`${name}.bias`));
  const norm = (x: Arr, name: string): Arr =>
    nn
      .standardize(x, -1, { epsilon: VIT_EPS })
      .mul(of(`${name}.weight`))
      .add(of(`${name}.bias`));
  const x = of('x').reshape([seq, hidden]);
  const h = norm(x.ref, 'layer_norm1');
  const split = (input: Arr, name: string): Arr =>
    linear(input, `self_attn.${name}`).reshape([1, seq, heads, hidden / heads]);
  const y = nn.dotProductAttention(split(h.ref, 'q_proj'), split(h.ref, 'k_proj'), split(h, 'v_proj'));
  const attended = x.add(linear(y.reshape([seq, hidden]), 'self_attn.out_proj'));
  const up = linear(norm(attended.ref, 'layer_norm2'), 'mlp.fc1');
  return attended.add(linear(nn.gelu(up, { approximate: false }), 'mlp.fc2'));
}

function decoderStep(
  { numpy: np, nn }: Jax,
  one: OpOf<'decoder step'>,
  of: (name: string) => Arr,
  cos: Arr,
  sin: Arr,
): Arr {
  const { hidden, heads, kvHeads, layers, past } = one;
  const D = hidden / heads;
  const turn = (x: Arr): Arr => {
    const a = x.ref.slice([], [0, D / 2]);
    const b = x.slice([], [D / 2, D]);
    const turned = [a.ref.mul(cos.ref).sub(b.ref.mul(sin.ref)), b.mul(cos.ref).add(a.mul(sin.ref))];
    return np.concatenate(turned, -1);
  };
  const rmsNorm = (x: Arr, weight: Arr): Arr =>
    x.ref.div(np.sqrt(np.mean(np.square(x), -1, { keepdims: true }).add(EPS))).mul(weight);
  let x = of('x').reshape([1, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (input: Arr, name: string): Arr => np.matmul(input, of(`layers.${layer}.${name}.weight`));
    const cache = (name: string, last: Arr): Arr => {
      const before = np.transpose(of(`past.${layer}.${name}`).reshape([past, kvHeads, D]), [1, 0, 2]);
      return np.concatenate([before, last.reshape([kvHeads, 1, D])], 1);
    };
    const h = rmsNorm(x.ref, of(`layers.${layer}.input_layernorm.weight`));
    const q = turn(linear(h.ref, 'self_attn.q_proj').reshape([heads, D])).reshape([
      kvHeads,
      heads / kvHeads,
      D,
    ]);
    const keys = cache('key', turn(linear(h.ref, 'self_attn.k_proj').reshape([kvHeads, D])));
    const values = cache('value', linear(h, 'self_attn.v_proj'));
    const scores = np.matmul(q, np.transpose(keys, [0, 2, 1])).mul(1 / Math.sqrt(D));
    const y = np.matmul(nn.softmax(scores, -1), values).reshape([1, hidden]);
    x = x.add(linear(y, 'self_attn.o_proj'));
    const g = rmsNorm(x.ref, of(`layers.${layer}.post_attention_layernorm.weight`));
    const gate = nn.silu(linear(g.ref, 'mlp.gate_proj'));
    x = x.add(linear(gate.mul(linear(g, 'mlp.up_proj')), 'mlp.down_proj'));
  }
  return rmsNorm(x, of('norm.weight'));
}
