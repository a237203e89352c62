import type { PackedDType } from '../core/dtype.ts';
import type { WeightStore } from '../runtime/weight-store.ts';

/** What the weights of a model take on the device, and what rounding them cost. */
export interface WeightsSummary {
  /** GPU bytes. */
  readonly byteLength: number;
  /** Of the tensors stored as q8 or q4; null where there are none. */
  readonly rounding: RoundingSummary | null;
}

/** Errors are the root mean square of a tensor's errors over that of its values. */
export interface RoundingSummary {
  readonly dtype: PackedDType;
  readonly tensors: number;
  readonly meanRelativeError: number;
  readonly worst: { readonly name: string; readonly relativeError: number };
}

export function summarizeWeights({ byteLength, rounding }: WeightStore): WeightsSummary {
  const sorted = [...rounding].sort(([, a], [, b]) => b.relativeError - a.relativeError);
  const [worst] = sorted;
  if (!worst) return { byteLength, rounding: null };
  const [name, { dtype, relativeError }] = worst;
  return {
    byteLength,
    rounding: {
      dtype,
      tensors: sorted.length,
      meanRelativeError: sorted.reduce((sum, [, one]) => sum + one.relativeError, 0) / sorted.length,
      worst: { name, relativeError },
    },
  };
}
