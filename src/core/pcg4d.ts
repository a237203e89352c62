/** A hash of four words to one (Jarzynski & Olano 2020, "Hash Functions for GPU Rendering", pcg4d). */
export function pcg4d(a: number, b: number, c: number, d: number): number {
  let [x, y, z, w] = [a, b, c, d].map((v) => (Math.imul(v, 1664525) + 1013904223) | 0) as [
    number,
    number,
    number,
    number,
  ];
  const mix = (): void => {
    x = (x + Math.imul(y, w)) | 0;
    y = (y + Math.imul(z, x)) | 0;
    z = (z + Math.imul(x, y)) | 0;
    w = (w + Math.imul(y, z)) | 0;
  };
  mix();
  [x, y, z, w] = [x ^ (x >>> 16), y ^ (y >>> 16), z ^ (z >>> 16), w ^ (w >>> 16)];
  mix();
  return x >>> 0;
}
