/**
 * Which of the tower's learned positions each patch takes, row by row, [rows * columns].
 *
 * The tower learned `side` × `side` positions. A picture of another size, or one that is padded at its right and bottom,
 * lies over the same square: patch i of n real ones stands at the fraction i / n of its axis, and takes the position
 * whose bucket of width 1 / side it falls in (NaViT's fractional coordinates, Dehghani et al. 2023, arXiv 2307.06304).
 * Padding takes position 0. Reference: SmolVLMVisionEmbeddings in transformers.
 *
 * Fractions and buckets are float32 as there, since in doubles other patches fall on a bucket's edge. From 17 patches a
 * side on, the reference's buckets depend on the vector width of its CPU, by one bit; at the sides in use (26, 27, 32)
 * that moves no patch.
 */
export function patchPositions(
  [rows, columns]: readonly [rows: number, columns: number],
  [realRows, realColumns]: readonly [rows: number, columns: number],
  side: number,
): Uint32Array<ArrayBuffer> {
  const down = axisBuckets(realRows, side);
  const across = axisBuckets(realColumns, side);
  return Uint32Array.from({ length: rows * columns }, (_, i) => {
    const row = down[Math.floor(i / columns)];
    const column = across[i % columns];
    return row === undefined || column === undefined ? 0 : row * side + column;
  });
}

/** Bucket of each of `count` patches along an axis. */
function axisBuckets(count: number, side: number): readonly number[] {
  const step = Math.fround(1 / count);
  const last = Math.fround(1 - 1e-6);
  const width = 1 / side;
  const boundaries = Array.from({ length: side - 1 }, (_, i) => Math.fround(width + width * i));
  return Array.from({ length: count }, (_, i) => {
    const fraction = Math.min(Math.fround(i * step), last);
    return boundaries.filter((boundary) => boundary <= fraction).length;
  });
}
