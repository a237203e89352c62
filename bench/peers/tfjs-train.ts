import type { OpenPeerCase } from './peer.ts';
import type { OpOf, PeerCase } from './peer-case.ts';
import type { Tf, TfCore } from './tfjs-api.ts';
import { vitBlock } from './tfjs-blocks.ts';
import { ADAMW, isTrained, TRAINED_STEPS } from './train-case.ts';

/** The library's Adam after a decay of its own: AdamW, which it lacks. */
export function openTfjsTraining(
  tf: TfCore,
  one: OpOf<'train step'> & PeerCase,
  operands: Readonly<Record<string, Tf>>,
): OpenPeerCase {
  const variables = new Map(
    Object.entries(operands)
      .filter(([name]) => isTrained(name))
      .map(([name, value]) => [name, tf.variable(value)]),
  );
  const of = (name: string): Tf => {
    const tensor = variables.get(name) ?? operands[name];
    if (!tensor) throw new Error(`there is no operand "${name}"`);
    return tensor;
  };
  const lossOf = (): Tf => {
    const target = tf.reshape(of('target'), [one.seq, one.hidden]);
    return tf.mean(tf.square(tf.sub(vitBlock(tf, one, of), target)));
  };
  const { rate, beta1, beta2, eps, weightDecay } = ADAMW;
  const optimizer = tf.train.adam(rate, beta1, beta2, eps);
  const trained = [...variables.values()];
  const step = (): Tf =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(lossOf, trained);
      for (const variable of trained) variable.assign(tf.mul(variable, 1 - rate * weightDecay));
      optimizer.applyGradients(grads);
      return value;
    });
  const lossNow = async (): Promise<number> => {
    const loss = step();
    const [value = Number.NaN] = await loss.data();
    loss.dispose();
    return value;
  };
  return {
    async read() {
      const losses: number[] = [];
      for (let i = 0; i < TRAINED_STEPS; i++) losses.push(await lossNow());
      return Float32Array.from(losses);
    },
    async run() {
      for (let i = 1; i < one.reps; i++) step().dispose();
      await lossNow();
    },
    dispose() {
      optimizer.dispose();
      for (const tensor of [...trained, ...Object.values(operands)]) tensor.dispose();
    },
  };
}
