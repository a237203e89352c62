import { grad } from '../../src/autograd/grad.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { square, sub } from '../../src/graph/math.ts';
import { reduceMean } from '../../src/graph/reduce.ts';
import { createTrainer } from '../../src/train/trainer.ts';
import { type BuildLoss, buildTrainingGraphs } from '../../src/train/training-graph.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { visionLayer } from '../block-cases.ts';
import { type Operand, operandIndex } from '../kernel-case.ts';
import { operandParameters } from '../operand-parameters.ts';
import type { OpenPeerCase } from './peer.ts';
import { caseValues, type OpOf, type PeerCase, shapeName, tensorsOf } from './peer-case.ts';
import { ADAMW, isTrained, TRAINED_STEPS } from './train-case.ts';

type TrainCase = OpOf<'train step'> & PeerCase;

/** The mean square of what a ViT block makes of x less a target. */
const lossOf =
  (one: TrainCase): BuildLoss =>
  (_, w) => {
    const { seq, hidden, heads, mlp } = one;
    const [x, target] = ['x', 'target'].map((name) => w.get(name, [1, seq, hidden]));
    if (!x || !target) throw new Error('training takes x and target');
    const y = visionLayer(
      x,
      {
        name: shapeName(one),
        family: 'clip',
        seq,
        hiddenSize: hidden,
        numAttentionHeads: heads,
        intermediateSize: mlp,
      },
      w,
    );
    return reduceMean(square(sub(y, target)), [0, 1, 2]);
  };

const { rate, ...adamw } = ADAMW;
const OPTIONS = {
  optimizer: { kind: 'adamw', ...adamw },
  trainable: /\.(weight|bias)$/,
  withoutDecay: /^$/,
} as const;

const indexOf = (one: TrainCase) =>
  operandIndex(new Map(Object.entries(tensorsOf(one))), (name) => caseValues(one, name));

export async function openTraining(device: Device, one: TrainCase): Promise<OpenPeerCase> {
  const trainer = await createTrainer(device, lossOf(one), await indexOf(one), OPTIONS);
  const step = async (): Promise<number> => (await trainer.step([{}], rate)).loss;
  return {
    async read() {
      const losses: number[] = [];
      for (let i = 0; i < TRAINED_STEPS; i++) losses.push(await step());
      return Float32Array.from(losses);
    },
    run: async () => void (await Promise.all(Array.from({ length: one.reps }, step))),
    dispose: trainer.dispose,
  };
}

/** One step: what its cost is counted of. */
export const trainingGraph = async (one: TrainCase): Promise<Graph> =>
  buildTrainingGraphs(lossOf(one), weightScope(await indexOf(one), 'training'), OPTIONS).batch;

/** The losses in f64: gradients by the references of the ops, and the update as its paper has it. */
export function expectedLosses(one: TrainCase): Float64Array {
  const shapes = tensorsOf(one);
  const graph = new Graph();
  const operands = new Map<string, ReturnType<Operand>>();
  const operand: Operand = (name, shape) => {
    const tensor = operands.get(name) ?? graph.weight(name, shape, 'f32');
    operands.set(name, tensor);
    return tensor;
  };
  const loss = lossOf(one)(graph, operandParameters(operand, 'f32'));
  graph.output('loss', loss);
  const trained = [...operands].filter(([name]) => isTrained(name));
  const gradients = grad(
    loss,
    trained.map(([, tensor]) => tensor),
  );
  for (const [i, gradient] of gradients.entries()) graph.output(`gradient ${trained[i]?.[0]}`, gradient);

  const values = Object.fromEntries(
    Object.keys(shapes).map((name) => [name, Float64Array.from(caseValues(one, name))]),
  );
  const moments = new Map(
    trained.map(([name]) => [name, { mean: [] as number[], variance: [] as number[] }]),
  );
  return Float64Array.from({ length: TRAINED_STEPS }, (_, step) => {
    const { outputs } = interpret(graph, values);
    for (const [name, { mean, variance }] of moments) {
      const [parameter, gradient] = [values[name], outputs.get(`gradient ${name}`)];
      if (!parameter || !gradient) throw new Error(`there is no gradient of "${name}"`);
      gradient.forEach((g, i) => {
        // Loshchilov & Hutter 2019, algorithm 2, as torch.optim.AdamW has it.
        mean[i] = ADAMW.beta1 * (mean[i] ?? 0) + (1 - ADAMW.beta1) * g;
        variance[i] = ADAMW.beta2 * (variance[i] ?? 0) + (1 - ADAMW.beta2) * g * g;
        const size = Math.sqrt(variance[i] / (1 - ADAMW.beta2 ** (step + 1))) + ADAMW.eps;
        const update = mean[i] / (1 - ADAMW.beta1 ** (step + 1)) / size;
        parameter[i] = (parameter[i] ?? 0) * (1 - rate * ADAMW.weightDecay) - rate * update;
      });
    }
    return outputs.get('loss')?.[0] ?? Number.NaN;
  });
}
