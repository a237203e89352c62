import type { Tensor } from '../graph/tensor.ts';
import type { Attrs, Named, Op } from '../ops/op.ts';

/** A node of the forward graph, as its gradient sees it. */
export interface ForwardNode<A extends Attrs = Attrs> {
  readonly inputs: Named<Tensor>;
  readonly outputs: Named<Tensor>;
  readonly attrs: A;
  /** Whether the gradient of this input is asked for: what nobody asks for need not be computed. */
  needs(input: string): boolean;
}

/** The gradient of a run of elements along one axis of an input; that of all others is zero. */
export interface GradientSlice {
  readonly values: Tensor;
  readonly axis: number;
  readonly begin: number;
}

/**
 * Vector-Jacobian product of one op: from the gradients of its outputs, of which at least one is there, those of the
 * inputs it is asked for, by name. All are f32 and shaped as what they belong to.
 */
export type Gradient<A extends Attrs = Attrs> = (
  node: ForwardNode<A>,
  outputGradients: Named<Tensor | undefined>,
) => Named<Tensor | GradientSlice | undefined>;

export interface GradientRule {
  readonly op: Op;
  readonly gradient: Gradient;
}

/** Types a rule by its op's attributes, and forgets them for the registry. */
export const defineGradient = <A extends Attrs>(op: Op<A>, gradient: Gradient<A>): GradientRule =>
  ({ op, gradient }) as unknown as GradientRule;
