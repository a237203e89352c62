import { grad } from '../autograd/grad.ts';
import { InputError, invariant } from '../core/errors.ts';
import { Graph } from '../graph/graph.ts';
import { mul, square } from '../graph/math.ts';
import { concat, reshape, slice } from '../graph/movement.ts';
import { accumulate, optimizerControl } from '../graph/optimizer.ts';
import { reduceSum } from '../graph/reduce.ts';
import type { Tensor } from '../graph/tensor.ts';
import { sumAll } from '../models/losses/blocks.ts';
import type { Parameters } from '../models/parameters.ts';
import { PROGRESS, PROGRESS_SIZE } from '../ops/optimizer.ts';
import type { WeightScope } from '../weights/weight-scope.ts';
import { addUpdate, momentDecays, type OptimizerOptions } from './optimizer.ts';
import {
  type Adapter,
  bindTrainable,
  type Trainable,
  type TrainableOptions,
} from './trainable-parameters.ts';

/** The model and its loss as a graph: declares inputs, asks `w` for weights, gives the loss [] f32. */
export type BuildLoss = (graph: Graph, w: Parameters) => Tensor;

/** Scaling of the loss against underflow of f16 activations (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2). */
export interface LossScaling {
  /** Default 65536. */
  readonly initial?: number;
  /** Finite steps in a row after which it doubles; default 2000. */
  readonly growthInterval?: number;
}

export interface TrainingGraphOptions extends TrainableOptions {
  readonly optimizer: OptimizerOptions;
  /** Largest norm of all gradients together; default no limit. */
  readonly clipNorm?: number | undefined;
  /** Batches whose gradients are added up for a step, which takes their mean; default 1. */
  readonly batchesPerStep?: number | undefined;
  readonly lossScaling?: LossScaling | undefined;
  /** Parameters that the optimizer's weight decay leaves alone; default vectors and numbers. */
  readonly withoutDecay?: RegExp | undefined;
  /** Largest values of parameters, by name: CLIP's `logit_scale` is at most log 100. */
  readonly largest?: Readonly<Record<string, number>> | undefined;
  /** Scopes that the backward pass computes again instead of keeping their intermediates; see `grad`. */
  readonly recompute?: RegExp | undefined;
}

export interface TrainingGraphs {
  /** Forward and backward pass; with one batch per step the update as well. Outputs `loss` and then `control`. */
  readonly batch: Graph;
  /** The update, where several batches make a step. Output `control`. */
  readonly update: Graph | undefined;
  readonly trainables: ReadonlyMap<string, Trainable>;
  readonly adapters: ReadonlyMap<string, Adapter>;
}

export const PROGRESS_STATE = 'training.progress';
/** Input [1] of `batch` where several batches make a step: 0 for the first of them, 1 for the others. */
export const KEEP_INPUT = 'training.keep';
/** Input [1] of the graph that updates. */
export const LEARNING_RATE_INPUT = 'training.learningRate';

/** Throws InputError where nothing is to be trained, ShapeError or WeightError where model and weights disagree. */
export function buildTrainingGraphs(
  build: BuildLoss,
  weights: WeightScope,
  options: TrainingGraphOptions,
): TrainingGraphs {
  const batch = new Graph();
  const { parameters, trainables, adapters } = bindTrainable(batch, weights, options);
  const loss = build(batch, parameters);
  if (trainables.size === 0) {
    throw new InputError(
      'training: no weight of the model is trained; expected one at least. Check the patterns `trainable` and `lora`.',
    );
  }
  batch.output('loss', reshape(loss, []));
  const list = [...trainables.values()];
  const wrt = list.map(({ parameter }) => parameter);
  const gradients = grad(scaled(loss, options), wrt, { recompute: options.recompute });
  if ((options.batchesPerStep ?? 1) === 1) {
    addUpdates(batch, list, gradients, options);
    return { batch, update: undefined, trainables, adapters };
  }
  const keep = batch.input(KEEP_INPUT, [1], 'f32');
  list.forEach((trainable, i) => {
    const gradient = gradients[i];
    invariant(gradient, `no gradient of ${trainable.name}`);
    accumulate(sumState(batch, trainable), gradient, keep);
  });
  const update = new Graph();
  const moved = list.map(
    (trainable): Trainable => ({
      ...trainable,
      parameter: update.state(stateName(trainable.parameter), trainable.shape, 'f32'),
    }),
  );
  const sums = list.map((trainable) => sumState(update, trainable));
  addUpdates(update, moved, sums, options);
  return { batch, update, trainables, adapters };
}

const sumState = (graph: Graph, { name, shape }: Trainable): Tensor =>
  graph.state(`gradient.${name}`, shape, 'f32');

function stateName({ source }: Tensor): string {
  invariant(source.kind === 'state', 'a trained parameter is a state');
  return source.name;
}

/** The loss times the scale that it has now. */
function scaled(loss: Tensor, { lossScaling }: TrainingGraphOptions): Tensor {
  if (!lossScaling) return loss;
  const progress = loss.graph.state(PROGRESS_STATE, [PROGRESS_SIZE], 'f32');
  const factor = slice(progress, 0, PROGRESS.lossScale, PROGRESS.lossScale + 1);
  return mul(reshape(loss, [1]), factor);
}

function addUpdates(
  graph: Graph,
  trainables: readonly Trainable[],
  gradients: readonly Tensor[],
  options: TrainingGraphOptions,
): void {
  graph.scope('update', () => {
    const squares = gradients.map((gradient) => reshape(sumAll(square(gradient)), [1]));
    const squaredNorm = reduceSum(concat(squares, 0), 0); // []
    const control = optimizerControl(
      graph.state(PROGRESS_STATE, [PROGRESS_SIZE], 'f32'),
      squaredNorm,
      graph.input(LEARNING_RATE_INPUT, [1], 'f32'),
      {
        ...momentDecays(options.optimizer),
        clipNorm: options.clipNorm ?? null,
        growthInterval: options.lossScaling ? (options.lossScaling.growthInterval ?? 2000) : null,
        batches: options.batchesPerStep ?? 1,
      },
    );
    trainables.forEach(({ name, shape, parameter }, i) => {
      const gradient = gradients[i];
      invariant(gradient, `no gradient of ${name}`);
      const decays = options.withoutDecay ? !options.withoutDecay.test(name) : shape.length > 1;
      const max = options.largest?.[name] ?? null;
      addUpdate(options.optimizer, { name, parameter, gradient, decays, max }, control);
    });
    graph.output('control', control);
  });
}
