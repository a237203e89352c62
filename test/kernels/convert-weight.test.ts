import { expect, test } from 'vitest';
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { convertWeightPairs } from '../../src/kernels/convert-weight-pairs.ts';
import { convertWeight, type WeightFormat } from '../../src/ops/convert-weight.ts';
import { type ReferenceTensor, required } from '../../src/ops/op.ts';
import { describeOnAdapters } from '../adapters.ts';
import { runKernel } from './run-kernel.ts';

/** Every half, or bfloat16, there is: 65,536 patterns of 16 bits, two a word. */
const ALL_HALVES = Float64Array.from({ length: 32768 }, (_, i) => ((2 * i + 1) * 65536 + 2 * i) >>> 0);

/** f32 around every rounding boundary of f16: each half, and the f32 next to the middle to the next half. */
const BOUNDARIES = Float64Array.from({ length: 0x7c00 * 4 }, (_, i) => {
  const low = float16ToFloat32(i >> 2);
  const middle = (low + (float16ToFloat32((i >> 2) + 1) || low)) / 2;
  const bits = bitsOf(Number.isFinite(middle) ? middle : 65520);
  return [bitsOf(low), bits - 1, bits, bits + 1][i & 3] ?? 0;
});

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

async function convert(
  device: Device,
  from: WeightFormat,
  words: Float64Array,
  count: number,
  dtype: 'f32' | 'f16',
): Promise<Float64Array> {
  const tensors: Record<string, ReferenceTensor> = {
    words: { dtype: 'u32', shape: [words.length], data: words },
    weight: { dtype, shape: [count], data: new Float64Array(count) },
  };
  const attrs = { from, count, offset: 0 };
  const call = { inputs: tensors, outputs: convertWeight.infer(tensors, attrs, 'convertWeight'), attrs };
  const values = { words, weight: new Float64Array(count) };
  const outputs = await runKernel(device, convertWeightPairs, { lanes: 1 }, call, values);
  return required(outputs, 'weight', 'convertWeight');
}

describeOnAdapters('convertWeight, exact to the bit', (getDevice) => {
  test('every F16 to f32 and to f16', async () => {
    const expected = Float64Array.from({ length: 65536 }, (_, half) => float16ToFloat32(half));
    expect(await convert(getDevice(), 'F16', ALL_HALVES, 65536, 'f32')).toEqual(expected);
    expect(await convert(getDevice(), 'F16', ALL_HALVES, 65536, 'f16')).toEqual(expected);
  });

  test('every BF16 to f32 and to f16', async () => {
    const expected = Float64Array.from({ length: 65536 }, (_, bits) => bfloat16ToFloat32(bits));
    expect(await convert(getDevice(), 'BF16', ALL_HALVES, 65536, 'f32')).toEqual(expected);
    const rounded = expected.map((value) => float16ToFloat32(float32ToFloat16(value)));
    expect(await convert(getDevice(), 'BF16', ALL_HALVES, 65536, 'f16')).toEqual(rounded);
  });

  test('F32 to f16 at every rounding boundary, and to infinity beyond 65504', async () => {
    const values = new Float32Array(Uint32Array.from(BOUNDARIES).buffer);
    const expected = Float64Array.from(values, (value) => float16ToFloat32(float32ToFloat16(value)));
    expect(expected.at(-1)).toBe(Number.POSITIVE_INFINITY);
    expect(await convert(getDevice(), 'F32', BOUNDARIES, BOUNDARIES.length, 'f16')).toEqual(expected);
  });
});
