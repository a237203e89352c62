import { expect, test } from 'vitest';
import { bytesSource } from '../../src/weights/byte-source.ts';
import { readSafetensors } from '../../src/weights/safetensors.ts';
import { SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from '../../src/weights/safetensors-dtype.ts';
import { encodeSafetensors, type TensorData } from '../../src/weights/write-safetensors.ts';
import { bytesOf } from './raw-file.ts';

const DTYPES = Object.keys(SAFETENSORS_DTYPE_BITS) as SafetensorsDType[];

/** Four elements: a whole number of bytes in each width. */
const sample = (dtype: SafetensorsDType): TensorData => {
  const byteLength = (4 * SAFETENSORS_DTYPE_BITS[dtype]) / 8;
  return {
    name: dtype,
    dtype,
    shape: [2, 2],
    bytes: Uint8Array.from({ length: byteLength }, (_, i) => i + 1),
  };
};

test('the format has 22 dtypes, as the official list', () => {
  expect(DTYPES.length).toBe(22);
});

test.each(DTYPES)('%s comes back as it was written', async (dtype) => {
  const { index } = await readSafetensors(bytesSource('f', encodeSafetensors([sample(dtype)])));
  const entry = index.get(dtype) ?? expect.fail(`no tensor "${dtype}"`);
  expect(entry).toMatchObject({ dtype, shape: [2, 2] });
  expect(await entry.source.read(entry.offsetBytes, entry.byteLength)).toEqual(sample(dtype).bytes);
});

test('all dtypes in one file, each aligned to its element, with metadata and odd names', async () => {
  const odd = ['__proto__', '', 'ünï "quoted"\n'].map((name) => ({ ...sample('F16'), name }));
  const tensors = [...DTYPES.map(sample), ...odd];
  const { index, metadata } = await readSafetensors(
    bytesSource('f', encodeSafetensors(tensors, { format: 'pt', note: 'a"b' })),
  );
  expect([...index.keys()].sort()).toEqual(tensors.map((tensor) => tensor.name).sort());
  expect([...metadata]).toEqual([
    ['format', 'pt'],
    ['note', 'a"b'],
  ]);
  for (const entry of index.values()) {
    expect(entry.offsetBytes % Math.ceil(SAFETENSORS_DTYPE_BITS[entry.dtype] / 8), entry.name).toBe(0);
  }
});

test('the bytes are those of the official writer', () => {
  // test_serialization_forced_alignement in huggingface/safetensors, safetensors/src/tensor.rs.
  const header = '{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       ';
  const values = Float32Array.of(0, 1, 2, 3, 4, 5);
  const file = encodeSafetensors([
    { name: 'attn0', dtype: 'F32', shape: [1, 1, 2, 3], bytes: bytesOf(values) },
  ]);
  expect([...file.subarray(0, 8)]).toEqual([72, 0, 0, 0, 0, 0, 0, 0]);
  expect(new TextDecoder().decode(file.subarray(8, 80))).toBe(header);
  expect(file.subarray(80)).toEqual(bytesOf(values));
  expect([...encodeSafetensors([])]).toEqual([8, 0, 0, 0, 0, 0, 0, 0, 123, 125, 32, 32, 32, 32, 32, 32]);
});

test('tensors that cannot be written are refused', () => {
  const a = sample('F32');
  expect(() => encodeSafetensors([a, { ...a }])).toThrow(/write tensor "F32": the name is taken/);
  expect(() => encodeSafetensors([{ ...a, name: '__metadata__' }])).toThrow(/the name is taken/);
  expect(() => encodeSafetensors([{ ...a, shape: [5] }])).toThrow(/has 16 bytes; expected 20 for F32 \[5\]/);
  expect(() => encodeSafetensors([{ ...sample('F4'), shape: [3] }])).toThrow(
    /expected whole bytes for F4 \[3\]/,
  );
});
