import type { Ir, IrTensor } from '../../src/compile/ir.ts';
import type { InterpreterValues } from '../../src/graph/interpret.ts';
import type { ReferenceTensor } from '../../src/ops/op.ts';
import { referenceOf } from '../../src/ops/references.ts';

/** Runs the compiler's node list with the f64 references: a pass must not change what comes out. */
export function runIr(ir: Ir, values: InterpreterValues): Map<string, Float64Array> {
  const computed = new Map<IrTensor, ReferenceTensor>();
  const valuesOf = (tensor: IrTensor): ReferenceTensor => {
    const known = computed.get(tensor);
    if (known) return known;
    if (tensor.source.kind === 'op') throw new Error(`"${tensor.name}" is read before it is made`);
    const { source, dtype, shape } = tensor;
    const all = source.kind === 'constant' ? source.data : (values[source.name] ?? []);
    const rowSize = shape.slice(1).reduce((product, size) => product * size, 1);
    const data =
      source.kind === 'weight' && source.rows
        ? Array.from(all).slice(source.rows[0] * rowSize, source.rows[1] * rowSize)
        : all;
    return { dtype, shape, data: Float64Array.from(data) };
  };
  for (const { op, inputs, outputs, attrs } of ir.nodes) {
    const named = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, valuesOf(t)]));
    const results = referenceOf(op)(named, attrs);
    for (const [name, { dtype, shape }] of Object.entries(outputs)) {
      const tensor = outputs[name] as IrTensor;
      computed.set(tensor, { dtype, shape, data: results[name] as Float64Array });
    }
  }
  return new Map([...ir.outputs].map(([name, tensor]) => [name, valuesOf(tensor).data]));
}

export function maxError(actual: ArrayLike<number> | undefined, expected: ArrayLike<number> | undefined) {
  if (!actual || !expected || actual.length !== expected.length) return Number.NaN;
  return Array.from(actual).reduce((max, value, i) => Math.max(max, Math.abs(value - (expected[i] ?? 0))), 0);
}
