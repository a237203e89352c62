import type { Arr, Jax } from './jax-api.ts';
import { decoderStep, vitBlock } from './jax-blocks.ts';
import { openJaxTraining } from './jax-train.ts';
import type { Peer, Realm } from './peer.ts';
import { caseValues, EPS, type OpOf, type PeerCase, ROPE_THETA, tensorsOf } from './peer-case.ts';

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
      if (one.op === 'train step') return openJaxTraining(jax, one, names, operands);
      const extra = one.op === 'decoder step' ? ropeRow(jax, one) : [];
      const all = [...operands, ...extra];
      const compute = jax.jit((...args: Arr[]) => build(jax, one, names, args));
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

function build(
  jax: Jax,
  one: Exclude<PeerCase, OpOf<'train step'>>,
  names: readonly string[],
  args: readonly Arr[],
): Arr {
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
