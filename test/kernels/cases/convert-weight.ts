import { float32ToBfloat16, float32ToFloat16 } from '../../../src/core/float16.ts';
import { WEIGHT_FORMAT_BYTES, type WeightFormat } from '../../../src/ops/convert-weight.ts';
import type { OpCase } from '../op-case.ts';

const value = (i: number): number => Math.fround(Math.sin(i * 7.3) * 3);

/** `count` values as a checkpoint of this format stores them. */
export function wordsOf(format: WeightFormat, count: number): number[] {
  const bytes = new DataView(new ArrayBuffer(Math.ceil((count * WEIGHT_FORMAT_BYTES[format]) / 4) * 4));
  for (let i = 0; i < count; i++) {
    if (format === 'F32') bytes.setFloat32(i * 4, value(i), true);
    else bytes.setUint16(i * 2, (format === 'F16' ? float32ToFloat16 : float32ToBfloat16)(value(i)), true);
  }
  return [...new Uint32Array(bytes.buffer)];
}

const convertCase = (from: WeightFormat, count: number, offset: number, size: number): OpCase => {
  const words = wordsOf(from, count);
  return {
    label: `${count} elements of ${from} at ${offset} of ${size}`,
    attrs: { from, count, offset },
    inputs: {
      words: { dtype: 'u32', shape: [words.length], values: words },
      weight: { dtype: 'float', shape: [size] },
    },
  };
};

export const convertWeightCases: readonly OpCase[] = (['F32', 'F16', 'BF16'] as const).flatMap((from) => [
  convertCase(from, 1, 0, 1),
  convertCase(from, 2, 0, 2),
  convertCase(from, 37, 0, 37),
  convertCase(from, 64, 66, 200),
  convertCase(from, 37, 10, 100),
]);
