import type { FloatDType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Graph } from '../graph/graph.ts';
import { add, scale } from '../graph/math.ts';
import { matmul } from '../graph/matmul.ts';
import { cast } from '../graph/movement.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from '../models/parameters.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** Low-rank adapters beside frozen matrices (Hu et al. 2021, arXiv 2106.09685). */
export interface LoraOptions {
  /** Matrices that get one, by their names in the checkpoint: `/(q|v)_proj\.weight$/`. They stay frozen themselves. */
  readonly weights: RegExp;
  readonly rank: number;
  /** The product is multiplied by alpha / rank; default the rank. */
  readonly alpha?: number;
}

export interface TrainableOptions {
  /** Weights that are trained, by their names in the checkpoint; default all, or with `lora` none. */
  readonly trainable?: RegExp | undefined;
  readonly lora?: LoraOptions | undefined;
  /** What matrices are in the passes; trained ones keep f32 values beside. Default f32. */
  readonly weights?: FloatDType | undefined;
}

/** A tensor that training changes: a state of the graph. */
export interface Trainable {
  /** Its name in the checkpoint, or that of its weight and `.lora_A` or `.lora_B`. */
  readonly name: string;
  readonly shape: Shape;
  readonly parameter: Tensor;
}

/** An adapter of `weight`: weight + factor * B A. */
export interface Adapter {
  readonly weight: string;
  /** [rank, K] and [N, rank], names of trainables. */
  readonly a: string;
  readonly b: string;
  readonly rank: number;
  readonly factor: number;
}

/** `Parameters` that hand out trained weights as states, so that any model trains as it is. */
export interface TrainableParameters {
  readonly parameters: Parameters;
  /** By name, in the order they were asked for. */
  readonly trainables: ReadonlyMap<string, Trainable>;
  readonly adapters: ReadonlyMap<string, Adapter>;
}

export const parameterState = (name: string): string => `parameter.${name}`;

/**
 * Binds a checkpoint's scope to a graph for training. An adapted matrix is the sum of itself and the product of its
 * adapters, made once per run: models then need not know of adapters, at the price of the whole gradient of the sum.
 */
export function bindTrainable(
  graph: Graph,
  weights: WeightScope,
  options: TrainableOptions,
): TrainableParameters {
  const trainables = new Map<string, Trainable>();
  const adapters = new Map<string, Adapter>();
  const made = new Map<string, Tensor>();

  const train = (name: string, shape: Shape): Tensor => {
    const parameter = graph.state(parameterState(name), shape, 'f32');
    trainables.set(name, { name, shape, parameter });
    return parameter;
  };
  const stored = (shape: Shape): FloatDType => (shape.length > 1 ? (options.weights ?? 'f32') : 'f32');
  const adapt = (name: string, [N = 1, K = 1]: Shape, { rank, alpha = rank }: LoraOptions): Tensor => {
    const [a, b] = [`${name}.lora_A`, `${name}.lora_B`];
    const factor = alpha / rank;
    adapters.set(name, { weight: name, a, b, rank, factor });
    const product = matmul(train(b, [N, rank]), train(a, [rank, K]));
    return add(graph.weight(name, [N, K], stored([N, K])), scale(product, factor));
  };
  const make = (name: string, shape: Shape): Tensor => {
    const { lora, trainable } = options;
    if (lora && shape.length === 2 && lora.weights.test(name)) return adapt(name, shape, lora);
    const isTrained = trainable ? trainable.test(name) : !lora;
    if (!isTrained) return graph.weight(name, shape, stored(shape));
    return cast(train(name, shape), stored(shape));
  };
  const bind = (scope: WeightScope): Parameters => ({
    scope: (prefix) => bind(scope.scope(prefix)),
    firstScope: (prefixes) => bind(scope.firstScope(prefixes)),
    has: (name) => scope.has(name),
    skip: (name) => scope.skip(name),
    get(name, shape) {
      const ref = scope.get(name, shape);
      const known = made.get(ref.name) ?? make(ref.name, shape);
      made.set(ref.name, known);
      return known;
    },
  });
  return { parameters: bind(weights), trainables, adapters };
}
