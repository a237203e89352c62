import { afterEach, expect, test } from 'vitest';
import type { Plan } from '../../src/compile/plan.ts';
import { dequantizeRows, quantizeRows } from '../../src/core/block-quantize.ts';
import { type DType, storageByteLength } from '../../src/core/dtype.ts';
import { WeightError } from '../../src/core/errors.ts';
import { float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from '../../src/core/float16.ts';
import { fromGpuBytes } from '../../src/runtime/host-array.ts';
import { createWeightStore, type WeightBuffer, type WeightStore } from '../../src/runtime/weight-store.ts';
import type { SafetensorsDType } from '../../src/weights/safetensors-dtype.ts';
import { describeOnAdapters } from '../adapters.ts';
import { bytesOf, makeIndex } from './make-index.ts';

const ROWS = 37;
const COLS = 3;
const COUNT = ROWS * COLS;
const small = Float32Array.from({ length: COUNT }, (_, i) => Math.sin(i) * 10);
const whole = Int8Array.from({ length: COUNT }, (_, i) => (i % 200) - 100);

/** The same numbers in every format that loads, and what each must become in f32. */
const formats: readonly { dtype: SafetensorsDType; bytes: Uint8Array; expected: Float32Array }[] = [
  { dtype: 'F64', bytes: bytesOf(Float64Array.from(small)), expected: small },
  { dtype: 'F32', bytes: bytesOf(small), expected: small },
  {
    dtype: 'F16',
    bytes: bytesOf(Uint16Array.from(small, float32ToFloat16)),
    expected: small.map((value) => float16ToFloat32(float32ToFloat16(value))),
  },
  {
    dtype: 'BF16',
    bytes: bytesOf(Uint16Array.from(small, float32ToBfloat16)),
    expected: small.map(
      (value) => new Float32Array(Uint32Array.of(float32ToBfloat16(value) << 16).buffer)[0] ?? 0,
    ),
  },
  { dtype: 'I8', bytes: bytesOf(whole), expected: Float32Array.from(whole) },
  {
    dtype: 'U8',
    bytes: Uint8Array.from(whole, Math.abs),
    expected: Float32Array.from(whole, Math.abs),
  },
  {
    dtype: 'BOOL',
    bytes: Uint8Array.from(whole, (value) => value & 1),
    expected: Float32Array.from(whole, (value) => value & 1),
  },
];

const rounded = (values: Float32Array): Float32Array =>
  values.map((value) => float16ToFloat32(float32ToFloat16(value)));

function weightBuffer(name: string, dtype: DType, rows?: readonly [number, number]): WeightBuffer {
  const shape = [rows ? rows[1] - rows[0] : ROWS, COLS];
  const byteLength = storageByteLength(dtype, shape);
  return { kind: 'weight', label: name, name, dtype, shape, byteLength, ...(rows && { rows }) };
}

const planOf = (...buffers: Plan['buffers']): Plan => ({
  buffers,
  pipelines: [],
  dispatches: [],
  params: new Uint8Array(16),
  inputs: new Map(),
  outputs: new Map(),
  intermediateBytes: 0,
});

describeOnAdapters('weight store', (getDevice) => {
  const open: WeightStore[] = [];
  afterEach(() => {
    for (const store of open.splice(0)) store.dispose();
  });
  const readWeight = async (store: WeightStore, weight: WeightBuffer) => {
    const buffer = store.buffer(weight);
    return fromGpuBytes(await getDevice().readBuffer(buffer, 0, buffer.size), weight);
  };

  // 16 bytes cut every tensor into many chunks, the last one odd; 2 MiB takes each whole.
  test.each([16, 64, 2 ** 21])(
    'loads every format as f32 and f16 in chunks of %i bytes',
    async (chunkBytes) => {
      const index = await makeIndex(
        formats.map(({ dtype, bytes }) => ({ name: dtype, dtype, shape: [ROWS, COLS], bytes })),
      );
      const store = createWeightStore(getDevice(), index, { chunkBytes });
      open.push(store);
      const f32 = formats.map(({ dtype }) => weightBuffer(dtype, 'f32'));
      const f16 = formats.map(({ dtype }) => weightBuffer(dtype, 'f16'));
      await store.load([planOf(...f32, ...f16)]);
      for (const [i, { expected, dtype }] of formats.entries()) {
        expect(await readWeight(store, f32[i] as WeightBuffer), `${dtype} as f32`).toEqual(expected);
        expect(await readWeight(store, f16[i] as WeightBuffer), `${dtype} as f16`).toEqual(rounded(expected));
      }
    },
  );

  // Rows take 65 to 520 bytes: 96 gives them one by one, 1000 a few at a time, 2 MiB all at once.
  test.each([96, 1000, 2 ** 21])('packs every format in chunks of %i bytes', async (chunkBytes) => {
    const columns = 65;
    const values = Float32Array.from({ length: ROWS * columns }, (_, i) => Math.round(100 * Math.sin(i)));
    const kinds: readonly { dtype: SafetensorsDType; bytes: Uint8Array }[] = [
      { dtype: 'F64', bytes: bytesOf(Float64Array.from(values)) },
      { dtype: 'F32', bytes: bytesOf(values) },
      { dtype: 'F16', bytes: bytesOf(Uint16Array.from(values, float32ToFloat16)) },
      { dtype: 'BF16', bytes: bytesOf(Uint16Array.from(values, float32ToBfloat16)) },
      { dtype: 'I8', bytes: bytesOf(Int8Array.from(values)) },
    ];
    const shape = [ROWS, columns];
    const index = await makeIndex(kinds.map((kind) => ({ name: kind.dtype, shape, ...kind })));
    const store = createWeightStore(getDevice(), index, { chunkBytes });
    open.push(store);
    for (const dtype of ['q8', 'q4'] as const) {
      const packed = (name: string, rows?: readonly [number, number]): WeightBuffer => {
        const part = rows ? [rows[1] - rows[0], columns] : shape;
        const byteLength = storageByteLength(dtype, part);
        return { kind: 'weight', label: name, name, dtype, shape: part, byteLength, ...(rows && { rows }) };
      };
      const weights = kinds.map((kind) => packed(kind.dtype));
      const parts = [packed('BF16', [0, 8]), packed('BF16', [8, ROWS])];
      await store.load([planOf(...weights, ...parts)]);
      const expected = quantizeRows(values, columns, dtype);
      for (const weight of weights) expect(await readWeight(store, weight), weight.name).toEqual(expected);
      const halves = await Promise.all(parts.map((part) => readWeight(store, part)));
      expect(halves.flatMap((words) => [...words])).toEqual([...expected]);

      const rounded = dequantizeRows(expected, columns, dtype);
      const error = Math.sqrt(
        values.reduce((sum, value, i) => sum + (value - (rounded[i] ?? 0)) ** 2, 0) /
          values.reduce((sum, value) => sum + value ** 2, 0),
      );
      for (const { dtype: name } of kinds) {
        expect(store.rounding.get(name)?.dtype).toBe(dtype);
        expect(store.rounding.get(name)?.relativeError).toBeCloseTo(error, 6);
      }
    }
  });

  test('packing that is cut short leaves nothing behind', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const values = Float32Array.from({ length: ROWS * 64 }, (_, i) => Math.sin(i));
    const index = await makeIndex([{ name: 'w', dtype: 'F32', shape: [ROWS, 64], bytes: bytesOf(values) }]);
    const controller = new AbortController();
    const store = createWeightStore(device, index, {
      chunkBytes: 2048,
      signal: controller.signal,
      onProgress: (done) => done >= 4096 && controller.abort(),
    });
    open.push(store);
    const shape = [ROWS, 64];
    const weight = { ...weightBuffer('w', 'q4'), shape, byteLength: storageByteLength('q4', shape) };
    await expect(store.load([planOf(weight)])).rejects.toThrow(/aborted/);
    expect(device.memory.liveBytes).toBe(before);
    expect(store.rounding.size).toBe(0);
  });

  test('loads ranges of rows', async () => {
    const bytes = bytesOf(Uint16Array.from(small, float32ToBfloat16));
    const index = await makeIndex([{ name: 'w', dtype: 'BF16', shape: [ROWS, COLS], bytes }]);
    const store = createWeightStore(getDevice(), index, { chunkBytes: 64 });
    open.push(store);
    const parts = [weightBuffer('w', 'f32', [0, 16]), weightBuffer('w', 'f32', [16, ROWS])];
    await store.load([planOf(...parts)]);
    const expected = formats.find(({ dtype }) => dtype === 'BF16')?.expected;
    const loaded = await Promise.all(parts.map((part) => readWeight(store, part)));
    expect(loaded.flatMap((values) => [...values])).toEqual([...(expected ?? [])]);
  });

  test('loads a tensor once for all plans, tells progress, and gives all memory back', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const index = await makeIndex([
      { name: 'w', dtype: 'F32', shape: [ROWS, COLS], bytes: bytesOf(small) },
      { name: 'v', dtype: 'F32', shape: [ROWS, COLS], bytes: bytesOf(small) },
    ]);
    const progress: [number, number, string][] = [];
    const store = createWeightStore(device, index, { onProgress: (...step) => progress.push(step) });
    const plan = planOf(weightBuffer('w', 'f32'));
    await Promise.all([store.load([plan]), store.load([plan, planOf(weightBuffer('v', 'f32'))])]);
    expect(progress).toEqual([
      [444, 444, 'w'],
      [444, 444, 'v'],
    ]);
    expect(store.byteLength).toBe(2 * 444);
    expect(device.memory.liveBytes).toBe(before + 2 * 444);
    store.dispose();
    expect(device.memory.liveBytes).toBe(before);
  });

  test('frees a constant with the last plan that keeps it', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const store = createWeightStore(device, new Map());
    open.push(store);
    const constant = (name: string, length: number): Plan['buffers'][number] => {
      const data = new Float32Array(length);
      return { kind: 'constant', label: name, name, data, byteLength: data.byteLength };
    };
    const plans = [planOf(constant('shared', 4), constant('a', 8)), planOf(constant('shared', 4))];
    const [releaseFirst, releaseSecond] = plans.map((plan) => store.retain(plan));
    await store.load(plans);
    expect(device.memory.liveBytes).toBe(before + 48);
    releaseFirst?.();
    releaseFirst?.();
    expect(device.memory.liveBytes).toBe(before + 16);
    releaseSecond?.();
    expect(device.memory.liveBytes).toBe(before);
    await store.load(plans);
    expect(device.memory.liveBytes).toBe(before + 48);
  });

  test('names every missing tensor and the one that does not fit, and holds nothing then', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const index = await makeIndex([
      { name: 'w', dtype: 'F32', shape: [COLS, ROWS - 1], bytes: bytesOf(small.subarray(COLS)) },
      { name: 'i', dtype: 'I64', shape: [1], bytes: new Uint8Array(8) },
    ]);
    const store = createWeightStore(device, index);
    open.push(store);
    const missing = planOf(weightBuffer('a', 'f32'), weightBuffer('w', 'f32'), weightBuffer('b', 'f32'));
    await expect(store.load([missing])).rejects.toThrow(/2 of the model's tensors are missing: a, b;/);
    await expect(store.load([planOf(weightBuffer('w', 'f32'))])).rejects.toThrow(
      /weight "w": the checkpoint has \[3, 36\]; expected \[37, 3\]/,
    );
    await expect(store.load([planOf(weightBuffer('w', 'f32', [0, 40]))])).rejects.toThrow(WeightError);
    const wrongKind = { ...weightBuffer('i', 'f32'), shape: [1], byteLength: 4 };
    await expect(store.load([planOf(wrongKind)])).rejects.toThrow(/tensor "i": I64 does not convert to f32/);
    expect(device.memory.liveBytes).toBe(before);
  });
});
