import { isFloat } from '../core/dtype.ts';
import { InputError, invariant, UnsupportedError } from '../core/errors.ts';
import { elementCount, formatShape } from '../core/shape.ts';
import { reshape } from '../graph/movement.ts';
import { RECOMPUTED_SCOPE } from '../graph/recomputed.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import type { Named } from '../ops/op.ts';
import { zeros } from './broadcast.ts';
import { createGradientSums, type GradientSums } from './gradient-sum.ts';
import { gradientOf } from './registry.ts';

/** What of the forward pass is kept for the gradients, and what is computed twice. */
export interface GradOptions {
  /**
   * Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): what matches in the scopes of nodes names a segment,
   * e.g. `/layers\.\d+/`. A segment is computed a second time just before its gradients, so that between the passes only
   * its inputs are kept.
   */
  readonly recompute?: RegExp | undefined;
}

/**
 * Adds to the graph the gradients of `loss` with respect to `wrt`: reverse-mode differentiation as a function from
 * graph to graph, so that the same compiler runs both. One f32 tensor per element of `wrt`, of its shape; zeros where
 * the loss does not depend on it. loss [] or [1].
 * Throws InputError where the loss is no scalar, UnsupportedError for an op that has no gradient.
 */
export function grad(loss: Tensor, wrt: readonly Tensor[], { recompute }: GradOptions = {}): Tensor[] {
  if (elementCount(loss.shape) !== 1 || !isFloat(loss.dtype)) {
    throw new InputError(
      `grad: the loss is ${loss.dtype} ${formatShape(loss.shape)}; expected one float. Reduce it first.`,
    );
  }
  const { graph } = loss;
  const forward = [...graph.nodes];
  const varying = dependents(forward, wrt);
  const gradients = createGradientSums();

  const one = graph.constant('ones.1', Float32Array.of(1), [1]);
  gradients.add(loss, reshape(one, loss.shape));
  graph.scope('grad', () => {
    const valuesOf = createValues(forward, recompute);
    for (const node of [...forward].reverse()) backward(node, valuesOf, varying, gradients);
  });
  return wrt.map((tensor) => gradients.of(tensor) ?? zeros(tensor, tensor.shape));
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

/** A node's inputs and outputs as its gradient is to read them. */
type Values = Pick<Node, 'inputs' | 'outputs'>;

function backward(
  node: Node,
  valuesOf: (node: Node) => Values,
  varying: ReadonlySet<number>,
  gradients: GradientSums,
): void {
  const outputGradients = mapTensors(node.outputs, (output) => gradients.of(output));
  if (Object.values(outputGradients).every((gradient) => gradient === undefined)) return;
  const needs = (input: string): boolean => varying.has(node.inputs[input]?.id ?? -1);
  if (!Object.keys(node.inputs).some(needs)) return;
  const rule = gradientOf(node.op);
  if (!rule) {
    throw new UnsupportedError(
      `grad: ${node.op.name} "${node.scope}" has no gradient; expected only ops that have one between the parameters and the loss.`,
    );
  }
  const inputGradients = rule({ ...valuesOf(node), attrs: node.attrs, needs }, outputGradients);
  for (const [input, tensor] of Object.entries(node.inputs)) {
    if (!needs(input)) continue;
    const gradient = inputGradients[input];
    if (gradient) gradients.add(tensor, gradient);
  }
}

/** The values of the forward pass, or of segments that are computed again the first time one of their nodes is asked for. */
function createValues(forward: readonly Node[], recompute: RegExp | undefined): (node: Node) => Values {
  const segmentOf = ({ scope }: Node): string | undefined =>
    (RECOMPUTED_SCOPE.exec(scope) ?? recompute?.exec(scope))?.[0];
  const segments = new Map<string, Node[]>();
  for (const node of forward) {
    const segment = segmentOf(node);
    if (segment !== undefined) segments.set(segment, [...(segments.get(segment) ?? []), node]);
  }
  const again = new Map<Node, Values>();
  const computeAgain = (nodes: readonly Node[]): void => {
    const replaced = new Map<number, Tensor>();
    for (const node of nodes) {
      const inputs = mapTensors(node.inputs, (tensor) => replaced.get(tensor.id) ?? tensor);
      const [first] = Object.values(inputs);
      invariant(first, `${node.op.name} has no input`);
      const outputs = first.graph.apply(node.op, inputs, node.attrs);
      for (const [name, { id }] of Object.entries(node.outputs)) {
        const output = outputs[name];
        if (output) replaced.set(id, output);
      }
      again.set(node, { inputs, outputs });
    }
  };
  return (node) => {
    const segment = segmentOf(node);
    if (segment === undefined) return node;
    if (!again.has(node)) computeAgain(segments.get(segment) ?? []);
    return again.get(node) ?? node;
  };
}

const mapTensors = <T>(tensors: Named<Tensor>, map: (tensor: Tensor) => T): Named<T> =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, map(tensor)]));
