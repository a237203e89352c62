import type { LoadPackage, Peer, Realm } from './peer.ts';
import { caseValues, EPS, type OpOf, type PeerCase, ROPE_THETA, tensorsOf, VIT_EPS } from './peer-case.ts';

/** A tensor of TensorFlow.js, as far as this file uses it. */
interface Tf {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

interface TfCore {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(values: Float32Array, shape: readonly number[]): Tf;
  tidy<T>(build: () => T): T;
  keep(x: Tf): Tf;
  matMul(a: Tf, b: Tf, transposeA?: boolean, transposeB?: boolean): Tf;
  readonly fused: { matMul(of: { a: Tf; b: Tf; bias?: Tf; transposeB?: boolean }): Tf };
  add(a: Tf, b: Tf | number): Tf;
  sub(a: Tf, b: Tf): Tf;
  mul(a: Tf, b: Tf | number): Tf;
  square(x: Tf): Tf;
  rsqrt(x: Tf): Tf;
  erf(x: Tf): Tf;
  sigmoid(x: Tf): Tf;
  softmax(x: Tf): Tf;
  mean(x: Tf, axis: number, keepDims: boolean): Tf;
  moments(x: Tf, axis: number, keepDims: boolean): { readonly mean: Tf; readonly variance: Tf };
  reshape(x: Tf, shape: readonly number[]): Tf;
  transpose(x: Tf, order: readonly number[]): Tf;
  slice(x: Tf, begin: readonly number[], size: readonly number[]): Tf;
  split(x: Tf, parts: number, axis: number): Tf[];
  concat(parts: readonly Tf[], axis: number): Tf;
}

/** TensorFlow.js on its WebGPU backend. It has f32 alone. */
export async function startTfjs({ load }: Realm): Promise<Peer> {
  const tf = await loadTfjs(load);
  return {
    version: tf.version_core,
    variants: ({ dtype }) => (dtype === 'f32' ? 1 : 0),
    async open(one) {
      const operands = Object.fromEntries(
        Object.entries(tensorsOf(one)).map(([name, shape]) => [
          name,
          tf.tensor(caseValues(one, name), shape),
        ]),
      );
      const compute = build(tf, one, operands);
      let last: Tf | undefined;
      const once = (): Tf => {
        last?.dispose();
        last = tf.tidy(compute);
        return last;
      };
      return {
        read: async () => Float32Array.from(await once().data()),
        async run() {
          for (let i = 0; i < one.reps; i++) once();
          // An element read back is the only way to wait that this library has.
          const y = last;
          if (!y) return;
          const first = tf.tidy(() => tf.slice(tf.reshape(y, [-1]), [0], [1]));
          await first.data();
          first.dispose();
        },
        dispose: () => [...Object.values(operands), ...(last ? [last] : [])].forEach((x) => void x.dispose()),
      };
    },
  };
}

async function loadTfjs(load: LoadPackage): Promise<TfCore> {
  const tf = (await load('@tensorflow/tfjs-core')) as TfCore;
  await load('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js finds no WebGPU adapter');
  await tf.ready();
  return tf;
}

type Operands = Readonly<Record<string, Tf>>;

function build(tf: TfCore, one: PeerCase, operands: Operands): () => Tf {
  const of = (name: string): Tf => {
    const tensor = operands[name];
    if (!tensor) throw new Error(`there is no operand "${name}"`);
    return tensor;
  };
  switch (one.op) {
    case 'matmul':
      return () => tf.matMul(of('a'), of('b'));
    case 'matvec': {
      // Stored as [k, n], which this library multiplies by faster.
      const weight = tf.tidy(() => tf.transpose(of('weight'), [1, 0]));
      return () => tf.matMul(of('x'), weight);
    }
    case 'softmax':
      return () => tf.softmax(of('x'));
    case 'layernorm':
      return () => layerNorm(tf, of('x'), of('weight'), of('bias'), EPS);
    case 'attention': {
      const [q, k, v] = ['q', 'k', 'v'].map((name) => tf.tidy(() => splitHeads(tf, of(name), one.heads)));
      if (!q || !k || !v) throw new Error('attention takes three operands');
      const mask = one.causal ? causalMask(tf, one.seq) : undefined;
      return () => tf.transpose(attend(tf, q, k, v, mask), [1, 0, 2]);
    }
    case 'vit block':
      return () => vitBlock(tf, one, of);
    default: {
      const rope = ropeRow(tf, one);
      const caches = Array.from({ length: one.layers }, (_, i) =>
        (['key', 'value'] as const).map((name) => {
          const { kvHeads, past, hidden, heads } = one;
          return tf.tidy(() =>
            splitHeads(tf, tf.reshape(of(`past.${i}.${name}`), [past, (hidden / heads) * kvHeads]), kvHeads),
          );
        }),
      );
      return () => decoderStep(tf, one, of, rope, caches);
    }
  }
}

/** x [1, S, H, D] or [S, H * D] → [H, S, D] */
function splitHeads(tf: TfCore, x: Tf, heads: number): Tf {
  const [seq = 0, width = 0] = x.shape.length === 4 ? [x.shape[1], heads * (x.shape[3] ?? 0)] : x.shape;
  return tf.transpose(tf.reshape(x, [seq, heads, width / heads]), [1, 0, 2]);
}

const causalMask = (tf: TfCore, seq: number): Tf =>
  tf.tensor(
    Float32Array.from({ length: seq * seq }, (_, i) => (i % seq <= Math.floor(i / seq) ? 0 : -1e9)),
    [1, seq, seq],
  );

/** q, k, v [H, S, D] → [H, S, D] */
function attend(tf: TfCore, q: Tf, k: Tf, v: Tf, mask?: Tf): Tf {
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[2] ?? 1));
  return tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), v);
}

function layerNorm(tf: TfCore, x: Tf, weight: Tf, bias: Tf, eps: number): Tf {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.sub(x, mean), tf.mul(tf.rsqrt(tf.add(variance, eps)), weight)), bias);
}

const rmsNorm = (tf: TfCore, x: Tf, weight: Tf): Tf =>
  tf.mul(x, tf.mul(tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), EPS)), weight));

function vitBlock(tf: TfCore, { seq, hidden, heads }: OpOf<'vit block'>, of: (name: string) => Tf): Tf {
  const linear = (x: Tf, name: string): Tf =>
    tf.fused.matMul({ a: x, b: of(`${name}.weight`), bias: of(`${name}.bias`), transposeB: true });
  const norm = (x: Tf, name: string): Tf =>
    layerNorm(tf, x, of(`${name}.weight`), of(`${name}.bias`), VIT_EPS);
  const x = tf.reshape(of('x'), [seq, hidden]);
  const h = norm(x, 'layer_norm1');
  const split = (name: string): Tf => splitHeads(tf, linear(h, `self_attn.${name}`), heads);
  const y = attend(tf, split('q_proj'), split('k_proj'), split('v_proj'));
  const joined = tf.reshape(tf.transpose(y, [1, 0, 2]), [seq, hidden]);
  const attended = tf.add(x, linear(joined, 'self_attn.out_proj'));
  const up = linear(norm(attended, 'layer_norm2'), 'mlp.fc1');
  const gelu = tf.mul(tf.mul(up, 0.5), tf.add(tf.erf(tf.mul(up, Math.SQRT1_2)), 1));
  return tf.add(attended, linear(gelu, 'mlp.fc2'));
}

interface RopeRow {
  readonly cos: Tf;
  readonly sin: Tf;
}

function ropeRow(tf: TfCore, { hidden, heads, past }: OpOf<'decoder step'>): RopeRow {
  const half = hidden / heads / 2;
  const angles = Float32Array.from({ length: half }, (_, i) => past / ROPE_THETA ** (i / half));
  return { cos: tf.tensor(angles.map(Math.cos), [half]), sin: tf.tensor(angles.map(Math.sin), [half]) };
}

function decoderStep(
  tf: TfCore,
  { hidden, heads, kvHeads, layers }: OpOf<'decoder step'>,
  of: (name: string) => Tf,
  { cos, sin }: RopeRow,
  caches: readonly (readonly Tf[])[],
): Tf {
  const D = hidden / heads;
  const turn = (x: Tf): Tf => {
    const [a, b] = tf.split(x, 2, -1);
    if (!a || !b) throw new Error('split gave fewer than two parts');
    return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1);
  };
  let x = tf.reshape(of('x'), [1, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (input: Tf, name: string): Tf =>
      tf.matMul(input, of(`layers.${layer}.${name}.weight`), false, true);
    const norm = (input: Tf, name: string): Tf => rmsNorm(tf, input, of(`layers.${layer}.${name}.weight`));
    const [pastKeys, pastValues] = caches[layer] ?? [];
    if (!pastKeys || !pastValues) throw new Error(`there is no cache of layer ${layer}`);
    const h = norm(x, 'input_layernorm');
    const q = tf.reshape(turn(tf.reshape(linear(h, 'self_attn.q_proj'), [heads, D])), [
      kvHeads,
      heads / kvHeads,
      D,
    ]);
    const k = tf.reshape(turn(tf.reshape(linear(h, 'self_attn.k_proj'), [kvHeads, D])), [kvHeads, 1, D]);
    const v = tf.reshape(linear(h, 'self_attn.v_proj'), [kvHeads, 1, D]);
    const y = attend(tf, q, tf.concat([pastKeys, k], 1), tf.concat([pastValues, v], 1));
    x = tf.add(x, linear(tf.reshape(y, [1, hidden]), 'self_attn.o_proj'));
    const g = norm(x, 'post_attention_layernorm');
    const gate = linear(g, 'mlp.gate_proj');
    const up = linear(g, 'mlp.up_proj');
    x = tf.add(x, linear(tf.mul(tf.mul(gate, tf.sigmoid(gate)), up), 'mlp.down_proj'));
  }
  return rmsNorm(tf, x, of('norm.weight'));
}
