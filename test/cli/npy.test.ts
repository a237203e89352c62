import { expect, test } from 'vitest';
import { encodeNpy } from '../../src/cli/npy.ts';

/** Reads as the format's text says, and nothing else: numpy.lib.format, version 1.0. */
function decodeNpy(bytes: Uint8Array) {
  expect([...bytes.subarray(0, 8)]).toEqual([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const headerLength = view.getUint16(8, true);
  const dataOffset = 10 + headerLength;
  expect(dataOffset % 64).toBe(0);
  const header = new TextDecoder('ascii', { fatal: true }).decode(bytes.subarray(10, dataOffset));
  const match = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+)\), \} *\n$/.exec(header);
  expect(match).not.toBeNull();
  const [rows = 0, width = 0] = (match ?? []).slice(1).map(Number);
  expect(bytes.length).toBe(dataOffset + rows * width * 4);
  const values = Array.from({ length: rows * width }, (_, i) => view.getFloat32(dataOffset + i * 4, true));
  return { rows, width, values };
}

test.each([
  [0, 512],
  [1, 1],
  [3, 2],
  [300, 7],
])('%i rows of %i values', (rows, width) => {
  const given = Array.from({ length: rows }, (_, row) =>
    Float32Array.from({ length: width }, (_, i) => Math.sin(row * width + i)),
  );
  const read = decodeNpy(encodeNpy(given, width));
  expect(read).toMatchObject({ rows, width });
  expect(read.values).toEqual(given.flatMap((row) => [...row]));
});
