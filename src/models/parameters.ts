import { BLOCK_SIZE, type FloatDType, isPacked, type PackedDType, type WeightDType } from '../core/dtype.ts';
import { dim, elementCount, type Shape } from '../core/shape.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** What each kind of tensor is stored as; arithmetic accumulates in f32 whatever this says. */
export interface Precision {
  /**
   * Weight matrices. Vectors (biases, norms) stay f32: they cost nothing and carry the scale. Of q8 and q4, so do
   * small matrices and those that anything but a product or a table of tokens reads.
   */
  readonly weights: WeightDType;
  readonly activations: FloatDType;
  readonly kvCache: FloatDType;
}

/** Weights of one model part as graph tensors, by their names in the checkpoint. */
export interface Parameters {
  /** Parameters under `prefix.`; the graph scope is entered by the caller. */
  scope(prefix: string): Parameters;
  /** Parameters under the first of `prefixes` that the checkpoint has. Throws WeightError where it has none. */
  firstScope(prefixes: readonly string[]): Parameters;
  has(name: string): boolean;
  /** The weight `name`, which must have `shape`. Missing ones are reported together when loading ends. */
  get(name: string, shape: Shape): Tensor;
  /** Marks a weight as known and not needed, so that it is not reported as unused. */
  skip(name: string): void;
}

/** Binds a checkpoint scope to a graph at a precision. */
export function bindParameters(graph: Graph, weights: WeightScope, precision: Precision): Parameters {
  return {
    scope: (prefix) => bindParameters(graph, weights.scope(prefix), precision),
    firstScope: (prefixes) => bindParameters(graph, weights.firstScope(prefixes), precision),
    has: (name) => weights.has(name),
    skip: (name) => weights.skip(name),
    get(name, shape) {
      const ref = weights.get(name, shape);
      const { dtype, packed } = storageOf(shape, precision.weights);
      return graph.weight(ref.name, shape, dtype, packed);
    },
  };
}

/** Packing fewer elements saves under 4 KB. */
const MIN_PACKED_ELEMENTS = 1024;

function storageOf(shape: Shape, dtype: WeightDType): { dtype: FloatDType; packed?: PackedDType } {
  if (shape.length < 2) return { dtype: 'f32' };
  if (!isPacked(dtype)) return { dtype };
  const fits =
    shape.length === 2 && dim(shape, 1) >= BLOCK_SIZE && elementCount(shape) >= MIN_PACKED_ELEMENTS;
  return { dtype: 'f32', ...(fits && { packed: dtype }) };
}
