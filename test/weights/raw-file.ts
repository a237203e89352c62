/** A safetensors file byte by byte: what the header says is up to the test, true or not. */
export function rawFile(
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(0),
  headerLength?: bigint,
) {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + bytes.length + data.length);
  new DataView(file.buffer).setBigUint64(0, headerLength ?? BigInt(bytes.length), true);
  file.set(bytes, 8);
  file.set(data, 8 + bytes.length);
  return file;
}

/** The bytes of a typed array. */
export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Deterministic 32-bit integers (mulberry32), so that a failing case can be run again. */
export function randomIntegers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
