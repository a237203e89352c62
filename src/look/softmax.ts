/** exp(x) / Σ exp(x), without overflow. */
export function softmaxRow(logits: Float32Array): Float32Array {
  const largest = logits.reduce((max, logit) => Math.max(max, logit), Number.NEGATIVE_INFINITY);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** A value and where it stands. */
export interface Ranked {
  readonly index: number;
  readonly value: number;
}

/** The `count` largest values, the largest first; of equal ones the first. */
export function topOf(values: Float32Array, count: number): Ranked[] {
  const top: Ranked[] = [];
  values.forEach((value, index) => {
    const least = top.at(-1);
    if (top.length === count && least && value <= least.value) return;
    const place = top.findIndex((other) => value > other.value);
    top.splice(place < 0 ? top.length : place, 0, { index, value });
    if (top.length > count) top.pop();
  });
  return top;
}
