import type { Arr, Jax } from './jax-api.ts';
import { vitBlock } from './jax-blocks.ts';
import type { OpenPeerCase } from './peer.ts';
import type { OpOf, PeerCase } from './peer-case.ts';
import { ADAMW, isTrained, TRAINED_STEPS } from './train-case.ts';

/** What a step takes and gives: parameters and both moments, and the decays of the moments so far. */
interface Training {
  readonly parameters: readonly Arr[];
  readonly mean: readonly Arr[];
  readonly variance: readonly Arr[];
  readonly decays: readonly Arr[];
}

/** The loss, its gradients and AdamW as one jitted function. */
export function openJaxTraining(
  jax: Jax,
  one: OpOf<'train step'> & PeerCase,
  names: readonly string[],
  operands: readonly Arr[],
): OpenPeerCase {
  const { numpy: np } = jax;
  const trained = names.filter(isTrained);
  const pick = (wanted: (name: string) => boolean): Arr[] =>
    operands.filter((_, i) => wanted(names[i] ?? ''));
  const [x, target] = ['x', 'target'].map((name) => operands[names.indexOf(name)]);
  if (!x || !target) throw new Error('training takes x and target');

  const lossOf = (parameters: readonly Arr[], input: Arr, goal: Arr): Arr => {
    const of = (name: string): Arr => {
      const arr = name === 'x' ? input : parameters[trained.indexOf(name)];
      if (!arr) throw new Error(`there is no operand "${name}"`);
      return arr;
    };
    const y = vitBlock(jax, one, of);
    return np.mean(np.square(y.sub(goal.reshape([one.seq, one.hidden]))), null);
  };
  const stepOf = jax.jit(
    (
      parameters: readonly Arr[],
      mean: readonly Arr[],
      variance: readonly Arr[],
      decays: readonly Arr[],
      input: Arr,
      goal: Arr,
    ) => {
      const refs = parameters.map((p) => p.ref);
      const [loss, gradients] = jax.valueAndGrad(lossOf as never)(refs, input, goal);
      const [decay1, decay2] = decays.map((decay, i) => decay.mul(i === 0 ? ADAMW.beta1 : ADAMW.beta2));
      if (!decay1 || !decay2) throw new Error('two decays are kept');
      const next = parameters.map((p, i) => {
        const [g, m, v] = [gradients[i], mean[i], variance[i]];
        if (!g || !m || !v) throw new Error('there is no gradient');
        const m1 = m.mul(ADAMW.beta1).add(g.ref.mul(1 - ADAMW.beta1));
        const v1 = v.mul(ADAMW.beta2).add(np.square(g).mul(1 - ADAMW.beta2));
        const size = np.sqrt(v1.ref.div(decay2.ref.mul(-1).add(1))).add(ADAMW.eps);
        const update = m1.ref.div(decay1.ref.mul(-1).add(1)).div(size);
        const kept = p.mul(1 - ADAMW.rate * ADAMW.weightDecay);
        return { p: kept.sub(update.mul(ADAMW.rate)), m: m1, v: v1 };
      });
      return {
        loss,
        parameters: next.map(({ p }) => p),
        mean: next.map(({ m }) => m),
        variance: next.map(({ v }) => v),
        decays: [decay1, decay2],
      };
    },
  );
  const zeros = (): Arr[] => pick(isTrained).map((p) => p.ref.mul(0));
  let state: Training = {
    parameters: pick(isTrained),
    mean: zeros(),
    variance: zeros(),
    decays: [1, 1].map((value) => np.array(Float32Array.of(value))),
  };
  const step = (): Arr => {
    const { parameters, mean, variance, decays } = state;
    const { loss, ...next } = stepOf(parameters, mean, variance, decays, x.ref, target.ref);
    state = next;
    return loss;
  };
  return {
    async read() {
      const losses: number[] = [];
      for (let i = 0; i < TRAINED_STEPS; i++) losses.push(Number((await step().data())[0]));
      return Float32Array.from(losses);
    },
    async run() {
      for (let i = 1; i < one.reps; i++) step().dispose();
      await step().data();
    },
    dispose() {
      for (const arr of [...Object.values(state).flat(), x, target]) arr.dispose();
    },
  };
}
