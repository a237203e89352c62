import { InputError, invariant } from '../core/errors.ts';
import { elementCount, formatShape } from '../core/shape.ts';
import type { Op, Reference, ReferenceTensor } from '../ops/op.ts';
import { referenceOf } from '../ops/references.ts';
import type { Graph } from './graph.ts';
import type { Tensor } from './tensor.ts';

/** Row-major values of inputs, weights and states by name; states not given are zero. */
export type InterpreterValues = Readonly<Record<string, ArrayLike<number>>>;

export interface Interpretation {
  /** Values of `graph.outputs` by name. */
  readonly outputs: ReadonlyMap<string, Float64Array>;
  /** Values of the intermediates that `named()` named. */
  readonly named: ReadonlyMap<string, Float64Array>;
}

/**
 * Runs a graph op by op with the f64 references, or those given: what a compiled plan must agree with.
 * Throws InputError for a missing value or one of the wrong length.
 */
export function interpret(
  graph: Graph,
  values: InterpreterValues,
  reference: (op: Op) => Reference = referenceOf,
): Interpretation {
  const computed = new Map<number, ReferenceTensor>();
  const valuesOf = (tensor: Tensor): ReferenceTensor => {
    const known = computed.get(tensor.id);
    if (known) return known;
    const value = { dtype: tensor.dtype, shape: tensor.shape, data: sourceValues(tensor, values) };
    computed.set(tensor.id, value);
    return value;
  };
  for (const node of graph.nodes) {
    const inputs: Record<string, ReferenceTensor> = {};
    for (const [name, tensor] of Object.entries(node.inputs)) inputs[name] = valuesOf(tensor);
    const results = reference(node.op)(inputs, node.attrs);
    for (const [name, tensor] of Object.entries(node.outputs)) {
      const data = results[name];
      invariant(
        data?.length === elementCount(tensor.shape),
        `reference of ${node.op.name} gave ${data?.length} values of ${name} ${formatShape(tensor.shape)}`,
      );
      computed.set(tensor.id, { dtype: tensor.dtype, shape: tensor.shape, data });
    }
  }
  return {
    outputs: new Map([...graph.outputs].map(([name, tensor]) => [name, valuesOf(tensor).data])),
    named: new Map([...graph.named].map(([name, tensor]) => [name, valuesOf(tensor).data])),
  };
}

function sourceValues({ source, shape }: Tensor, values: InterpreterValues): Float64Array {
  invariant(source.kind !== 'op', 'a node comes after the nodes that read it');
  const count = elementCount(shape);
  if (source.kind === 'constant') return Float64Array.from(source.data);
  const given = values[source.name];
  if (!given && source.kind === 'state') return new Float64Array(count);
  if (!given || given.length !== count) {
    throw new InputError(
      `interpret: ${source.kind} "${source.name}" has ${given?.length ?? 'no'} values; expected ${count} for ${formatShape(shape)}.`,
    );
  }
  return Float64Array.from(given);
}
