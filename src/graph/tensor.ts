import type { DType, PackedDType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Attrs, Named, Op } from '../ops/op.ts';
import type { Graph } from './graph.ts';

/** Values known when the graph is built, e.g. rope tables. */
export type ConstantData = Float32Array | Int32Array | Uint32Array;

/** Where a tensor's values come from. */
export type TensorSource =
  /** Written by the caller before each run. */
  | { readonly kind: 'input'; readonly name: string }
  /**
   * A checkpoint tensor by its name in the file; `rows` is a part of a tensor too large for one binding, `packed` how
   * it is to be stored if its readers allow.
   */
  | {
      readonly kind: 'weight';
      readonly name: string;
      readonly rows?: readonly [begin: number, end: number];
      readonly packed?: PackedDType;
    }
  /** Lives between runs and is shared by name between plans, e.g. a KV cache. */
  | { readonly kind: 'state'; readonly name: string }
  | { readonly kind: 'constant'; readonly name: string; readonly data: ConstantData }
  | { readonly kind: 'op'; readonly node: Node; readonly output: string };

/** A symbol in a graph: it has a shape and a dtype, never values. Row-major and contiguous. */
export class Tensor {
  readonly graph: Graph;
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly source: TensorSource;

  /** Made by Graph only. */
  constructor(graph: Graph, id: number, dtype: DType, shape: Shape, source: TensorSource) {
    this.graph = graph;
    this.id = id;
    this.dtype = dtype;
    this.shape = shape;
    this.source = source;
  }

  /** The name given by `named`, the source's own name, or `%id`. */
  get name(): string {
    return this.graph.nameOf(this);
  }

  /** Names this intermediate within the current scope, so that it can be captured, compared and printed. */
  named(name: string): Tensor {
    this.graph.setName(this, name);
    return this;
  }
}

/** One operation in a graph. */
export interface Node {
  readonly id: number;
  readonly op: Op;
  readonly inputs: Named<Tensor>;
  readonly attrs: Attrs;
  readonly outputs: Named<Tensor>;
  /** Scope it was built in, e.g. `language_model.layers.3`. */
  readonly scope: string;
}
