import { isFloat } from '../core/dtype.ts';
import { InputError, invariant, UnsupportedError } from '../core/errors.ts';
import { elementCount, formatShape, sameShape } from '../core/shape.ts';
import { add } from '../graph/math.ts';
import { cast, reshape } from '../graph/movement.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import { zeros } from './broadcast.ts';
import { gradientOf } from './registry.ts';

/**
 * Adds to the graph the gradients of `loss` with respect to `wrt`: reverse-mode differentiation as a function from
 * graph to graph, so that the same compiler runs both. One f32 tensor per element of `wrt`, of its shape; zeros where
 * the loss does not depend on it. loss [] or [1].
 * Throws InputError where the loss is no scalar, UnsupportedError for an op that has no gradient.
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (elementCount(loss.shape) !== 1 || !isFloat(loss.dtype)) {
    throw new InputError(
      `grad: the loss is ${loss.dtype} ${formatShape(loss.shape)}; expected one float. Reduce it first.`,
    );
  }
  const { graph } = loss;
  const forward = [...graph.nodes];
  const varying = dependents(forward, wrt);
  const gradients = new Map<number, Tensor>();
  const accumulate = (tensor: Tensor, gradient: Tensor): void => {
    invariant(
      sameShape(tensor.shape, gradient.shape),
      `gradient ${formatShape(gradient.shape)} of ${tensor.name} ${formatShape(tensor.shape)}`,
    );
    const known = gradients.get(tensor.id);
    const f32 = cast(gradient, 'f32');
    gradients.set(tensor.id, known ? add(known, f32) : f32);
  };

  const one = graph.constant('ones.1', Float32Array.of(1), [1]);
  accumulate(loss, reshape(one, loss.shape));
  graph.scope('grad', () => {
    for (const node of forward.reverse()) backward(node, varying, gradients, accumulate);
  });
  return wrt.map((tensor) => gradients.get(tensor.id) ?? zeros(tensor, tensor.shape));
}

/** Ids of the tensors that depend on any of `wrt`, these included. */
function dependents(nodes: readonly Node[], wrt: readonly Tensor[]): ReadonlySet<number> {
  const varying = new Set(wrt.map(({ id }) => id));
  for (const { inputs, outputs } of nodes) {
    if (!Object.values(inputs).some(({ id, dtype }) => varying.has(id) && isFloat(dtype))) continue;
    for (const { id, dtype } of Object.values(outputs)) if (isFloat(dtype)) varying.add(id);
  }
  return varying;
}

function backward(
  node: Node,
  varying: ReadonlySet<number>,
  gradients: ReadonlyMap<number, Tensor>,
  accumulate: (tensor: Tensor, gradient: Tensor) => void,
): void {
  const outputGradients = Object.fromEntries(
    Object.entries(node.outputs).map(([name, { id }]) => [name, gradients.get(id)]),
  );
  if (Object.values(outputGradients).every((gradient) => gradient === undefined)) return;
  const needs = (input: string): boolean => varying.has(node.inputs[input]?.id ?? -1);
  if (!Object.keys(node.inputs).some(needs)) return;
  const rule = gradientOf(node.op);
  if (!rule) {
    throw new UnsupportedError(
      `grad: ${node.op.name} "${node.scope}" has no gradient; expected only ops that have one between the parameters and the loss.`,
    );
  }
  const inputGradients = rule({ ...node, needs }, outputGradients);
  for (const [input, tensor] of Object.entries(node.inputs)) {
    if (!needs(input)) continue;
    const gradient = inputGradients[input];
    if (gradient) accumulate(tensor, gradient);
  }
}
