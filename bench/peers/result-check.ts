import { interpret } from '../../src/graph/interpret.ts';
import { isModelCase, whyOtherTokens } from './model-case.ts';
import type { Peer, Realm } from './peer.ts';
import { type AnyCase, caseValues, type PeerCase, packedValues, tensorsOf } from './peer-case.ts';
import { tesseraCase } from './tessera.ts';
import { expectedLosses } from './tessera-train.ts';
import { transformersModels } from './transformersjs.ts';

/** Largest error that counts as equal, relative to the RMS of the whole result. */
const TOLERANCE: Readonly<Record<PeerCase['dtype'], number>> = { f32: 1e-3, f16: 2e-2, q4: 1e-3 };

/**
 * The reference through the same door as the engines: it takes seconds, and longer on a busy machine. Of whole models it is
 * ONNX Runtime on the CPU, whose kernels are none of those that are timed.
 */
export const startReference = async ({ load }: Realm): Promise<Peer> => ({
  version: '',
  variants: () => 1,
  async open(one) {
    const values = Float32Array.from(expectedResult(one));
    return { read: async () => values, run: async () => undefined, dispose: () => undefined };
  },
  models: transformersModels(load, 'cpu'),
});

/** The case in f64, by the references of its ops: what every engine, this one too, is held to. */
export function expectedResult(one: PeerCase): Float64Array {
  if (one.op === 'train step') return expectedLosses(one);
  const values: Record<string, ArrayLike<number>> = {};
  for (const name of Object.keys(tensorsOf(one))) {
    const exact = caseValues(one, name);
    if (name.startsWith('past.')) values[name.replace('past', 'kv')] = withRoomForOne(one, exact);
    else
      values[name] =
        one.dtype === 'q4' && name === 'weight' && one.op === 'matvec' ? packedValues(exact, one.k) : exact;
  }
  const result = interpret(tesseraCase(one).graph(), values).outputs.get('y0');
  if (!result) throw new Error('the reference gave no result');
  return result;
}

/** The cache with the row that this token will fill. */
function withRoomForOne(one: PeerCase, values: Float32Array): Float32Array {
  if (one.op !== 'decoder step') return values;
  const row = values.length / one.past;
  const padded = new Float32Array(values.length + row);
  padded.set(values);
  return padded;
}

/** Why a result is wrong, element by element, or token by token; undefined where it is right. */
export function whyWrong(
  one: AnyCase,
  result: Float32Array,
  reference: ArrayLike<number>,
): string | undefined {
  if (isModelCase(one)) return whyOtherTokens(one, result, reference);
  const expected = Float64Array.from(reference);
  if (result.length !== expected.length)
    return `wrong result: ${result.length} elements; expected ${expected.length}`;
  const rms = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length);
  const bound = TOLERANCE[one.dtype] * rms;
  let off = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    const error = Math.abs((result[i] ?? Number.NaN) - value);
    if (!(error <= bound)) off++;
    if (!(error <= largest)) largest = error;
  });
  if (off === 0) return undefined;
  const share = ((100 * off) / expected.length).toFixed(off === expected.length ? 0 : 1);
  return `wrong result: ${share} % of ${expected.length} elements are off, by up to ${(largest / rms).toPrecision(2)} of the RMS`;
}
