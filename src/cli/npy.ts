/** The first bytes of every NumPy file, and version 1.0. */
const MAGIC = [0x93, ...Buffer.from('NUMPY'), 1, 0];
/** Values begin at a multiple of this, which version 1.0 promises. */
const ALIGNMENT = 64;

/**
 * Rows of `width` values as a NumPy file of shape (rows, width), little-endian f32, row-major.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export function encodeNpy(rows: readonly Float32Array[], width: number): Uint8Array {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${width}), }`;
  const unpadded = MAGIC.length + Uint16Array.BYTES_PER_ELEMENT + dictionary.length + 1;
  const padding = (ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT;
  const header = `${dictionary}${' '.repeat(padding)}\n`;

  const dataOffset = unpadded + padding;
  const bytes = new Uint8Array(dataOffset + rows.length * width * Float32Array.BYTES_PER_ELEMENT);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(MAGIC.length, header.length, true);
  bytes.set(new TextEncoder().encode(header), dataOffset - header.length);
  let offset = dataOffset;
  for (const row of rows) {
    for (const value of row) {
      view.setFloat32(offset, value, true);
      offset += Float32Array.BYTES_PER_ELEMENT;
    }
  }
  return bytes;
}
