import type { LoadPackage, Peer, Realm } from './peer.ts';
import { caseValues, EPS, type OpOf, type PeerCase, tensorsOf } from './peer-case.ts';
import type { Tf, TfCore } from './tfjs-api.ts';
import { attend, causalMask, decoderStep, layerNorm, ropeRow, splitHeads, vitBlock } from './tfjs-blocks.ts';
import { TFJS_BUNDLE } from './tfjs-bundle.ts';
import { openTfjsTraining } from './tfjs-train.ts';

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
      if (one.op === 'train step') return openTfjsTraining(tf, one, operands);
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
  const tf = (await load(TFJS_BUNDLE)) as TfCore;
  if (!(await tf.setBackend('webgpu'))) throw new Error('TensorFlow.js finds no WebGPU adapter');
  await tf.ready();
  return tf;
}

type Operands = Readonly<Record<string, Tf>>;

function build(tf: TfCore, one: Exclude<PeerCase, OpOf<'train step'>>, operands: Operands): () => Tf {
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
