import { invariant } from '../core/errors.ts';
import type { Attrs, Named, Op } from '../ops/op.ts';
import type { Tensor } from './tensor.ts';

/** Adds `op` to the graph of its inputs and returns its only output. */
export function applyOne<A extends Attrs>(op: Op<A>, inputs: Named<Tensor | undefined>, attrs: A): Tensor {
  const outputs = Object.values(applyAll(op, inputs, attrs));
  const [output] = outputs;
  invariant(output && outputs.length === 1, `${op.name} has ${outputs.length} outputs where one is expected`);
  return output;
}

/** Adds `op` to the graph of its inputs and returns its outputs by name. */
export function applyAll<A extends Attrs>(
  op: Op<A>,
  inputs: Named<Tensor | undefined>,
  attrs: A,
): Named<Tensor> {
  const first = Object.values(inputs).find((tensor) => tensor !== undefined);
  invariant(first, `${op.name} has no input`);
  return first.graph.apply(op, inputs, attrs);
}
