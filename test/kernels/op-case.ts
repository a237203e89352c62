import type { DType } from '../../src/core/dtype.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';
import type { OpCall } from '../../src/kernels/kernel.ts';
import {
  type Attrs,
  type Named,
  type Op,
  type ReferenceTensor,
  required,
  type TensorType,
} from '../../src/ops/op.ts';
import { referenceOf } from '../../src/ops/references.ts';
import { roundValues } from './pack-tensor.ts';

export interface CaseInput {
  /** `float` follows the dtype set under test; anything else is fixed. */
  readonly dtype: 'float' | DType;
  readonly shape: Shape;
  /** Default `normal`: mean 0, variance 1, the same in each run. */
  readonly values?: 'normal' | 'uniform' | readonly number[] | ((index: number) => number);
}

/** One call of an op that every kernel of the op which takes it must get right. */
export interface OpCase {
  readonly label: string;
  readonly attrs: Attrs;
  readonly inputs: Named<CaseInput>;
  /** Max absolute error over the RMS of the output; default by the output's dtype. */
  readonly tolerance?: number;
  /** For cases so large that a few sets must do; all unless told. */
  readonly sets?: readonly DTypeSet[];
}

/** Which float inputs of a case are f16, or whether its packable ones are packed. */
export const DTYPE_SETS = ['f32', 'f16', 'f32 with f16 storage', 'q8', 'q4'] as const;
export type DTypeSet = (typeof DTYPE_SETS)[number];

/** Inputs a model may hold in f16 beside f32 activations: weights and the KV cache. */
const STORED = new Set(['weight', 'bias', 'k', 'v', 'cache', 'w0', 'w1', 'w2', 'keys', 'values']);

/** A case with its types decided, its values rounded to them, and what the f64 reference makes of it. */
export interface PreparedCase {
  readonly call: OpCall;
  /** As `packTensor` takes them. */
  readonly inputs: Named<ArrayLike<number>>;
  readonly expected: Named<Float64Array>;
}

/** The types and attributes of a case; undefined where the set gives the same types as all f32. */
export function callOfCase(op: Op, opCase: OpCase, set: DTypeSet): OpCall | undefined {
  const typesIn = (wanted: DTypeSet): Named<TensorType> =>
    Object.fromEntries(
      Object.entries(opCase.inputs).map(([name, input]) => [
        name,
        { dtype: dtypeIn(wanted, name, input, op), shape: input.shape },
      ]),
    );
  const inputs = typesIn(set);
  const plain = typesIn('f32');
  const differs = Object.entries(inputs).some(([name, { dtype }]) => dtype !== plain[name]?.dtype);
  if ((set !== 'f32' && !differs) || opCase.sets?.includes(set) === false) return undefined;
  const outputs = op.infer(inputs, opCase.attrs, `${op.name} (${opCase.label})`);
  return { inputs, outputs, attrs: opCase.attrs };
}

/** As `callOfCase`, with values. */
export function prepareCase(op: Op, opCase: OpCase, set: DTypeSet): PreparedCase | undefined {
  const call = callOfCase(op, opCase, set);
  if (!call) return undefined;
  const tensors: Record<string, ReferenceTensor> = {};
  const inputs: Record<string, ArrayLike<number>> = {};
  Object.entries(call.inputs).forEach(([name, type], i) => {
    const { data, stored } = roundValues(type, valuesOf(required(opCase.inputs, name, op.name), i + 1));
    tensors[name] = { ...type, data };
    inputs[name] = stored;
  });
  return { call, inputs, expected: referenceOf(op)(tensors, opCase.attrs) };
}

function dtypeIn(set: DTypeSet, name: string, { dtype }: CaseInput, op: Op): DType {
  if (dtype !== 'float') return dtype;
  if (set === 'q8' || set === 'q4') return op.traits.packable?.includes(name) ? set : 'f32';
  return set === 'f16' || (set === 'f32 with f16 storage' && STORED.has(name)) ? 'f16' : 'f32';
}

function valuesOf({ shape, values = 'normal' }: CaseInput, seed: number): Float64Array {
  const data = new Float64Array(elementCount(shape));
  if (typeof values === 'function') return data.map((_, i) => values(i));
  if (typeof values !== 'string') {
    if (values.length !== data.length) throw new RangeError(`${values.length} values for [${shape}]`);
    return Float64Array.from(values);
  }
  const random = mulberry32(seed);
  if (values === 'uniform') return data.map(() => random());
  // Box and Muller 1958.
  return data.map(() => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

/** Uniform in [0, 1): Tommy Ettinger's mulberry32, public domain. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
