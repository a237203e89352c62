import type { DType } from '../core/dtype.ts';
import { EngineError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';

/** What is known of a tensor before it has values. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
  /** What the graph calls it, where it is in one: for messages only. */
  readonly name?: string;
}

/** A tensor of the f64 reference: row-major values, exact for every integer the engine uses. */
export interface ReferenceTensor extends TensorType {
  readonly data: Float64Array;
}

/** Attributes are plain data, so that a graph prints, compares and serialises. */
export type AttrValue =
  | number
  | string
  | boolean
  | null
  | readonly AttrValue[]
  | { readonly [key: string]: AttrValue };
export type Attrs = Readonly<Record<string, AttrValue>>;

/** Inputs and outputs of one op by the names its definition gives them; optional inputs may be absent. */
export type Named<T> = Readonly<Record<string, T>>;

/** Structural facts that shared passes act on, so that no pass ever branches on an op's name. */
export interface OpTraits {
  /** Output name → the input whose storage it is: `reshape` (a view), `cacheAppend` (updated in place). */
  readonly aliases?: Named<string>;
  /** The op writes into the aliased input's storage, so it must run even where nobody reads its output. */
  readonly writesAlias?: boolean;
  /** Inputs that may be packed matrices, of dtype q8 or q4. */
  readonly packable?: readonly string[];
}

/**
 * The meaning of one operation: how shapes follow. Holds no WGSL; kernels implement it. What it computes is said by its
 * `Reference` beside it, which is no part of it, so that a bundle that only runs kernels is without.
 */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string;
  /** Names of all inputs in order; a trailing `?` marks one that may be absent. */
  readonly inputs: readonly string[];
  readonly traits: OpTraits;
  /** Output types. Throws ShapeError starting with `where` (`linear "layers.3.mlp.up"`). */
  infer(inputs: Named<TensorType>, attrs: A, where: string): Named<TensorType>;
}

/** An obvious implementation of an op: output values in f64 from input values. Listed in references.ts. */
export type Reference<A extends Attrs = Attrs> = (
  inputs: Named<ReferenceTensor>,
  attrs: A,
) => Named<Float64Array>;

export const defineOp = <A extends Attrs>(
  op: Omit<Op<A>, 'traits'> & { readonly traits?: OpTraits },
): Op<A> => ({
  ...op,
  traits: op.traits ?? {},
});

/** The input called `name`; its absence is a bug in the caller. */
export function required<T>(inputs: Named<T>, name: string, where: string): T {
  const value = inputs[name];
  if (value === undefined)
    throw new EngineError(
      'internal',
      `${where}: input "${name}" is missing; got ${Object.keys(inputs).join(', ')}.`,
    );
  return value;
}
