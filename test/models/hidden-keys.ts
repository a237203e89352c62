import type { AttentionAttrs } from '../../src/ops/attention.ts';
import type { Named, Op, Reference, ReferenceTensor } from '../../src/ops/op.ts';
import { referenceOf } from '../../src/ops/references.ts';

/**
 * References of which attention gives hidden keys a weight. Attention that bounds scores after it masked them, and not before,
 * gives them exp(-cap).
 */
export const weighHiddenKeys =
  (weightOf: (cap: number) => number) =>
  (op: Op): Reference =>
    op.name === 'attention'
      ? (inputs, attrs) => attend(inputs, attrs as AttentionAttrs, weightOf)
      : referenceOf(op);

/** Of one sequence without padding: q [1, S, H, D], k and v [1, T, K, D], past 0. */
function attend(
  { q, k, v, span }: Named<ReferenceTensor>,
  attrs: AttentionAttrs,
  weightOf: (cap: number) => number,
) {
  const [, S = 0, H = 0, D = 0] = q?.shape ?? [];
  const K = k?.shape[2] ?? 0;
  const cap = attrs.softcap ?? 1;
  const at = (tensor: ReferenceTensor | undefined, i: number): number => tensor?.data[i] ?? Number.NaN;
  const sees = (i: number, j: number): boolean => {
    if (at(span, 2 * i) <= j && j < at(span, 2 * i + 1)) return true;
    return j <= i && i - j < (attrs.slidingWindow ?? Number.POSITIVE_INFINITY);
  };
  const y = new Float64Array(S * H * D);
  for (let i = 0; i < S; i++) {
    for (let h = 0; h < H; h++) {
      const kv = Math.floor((h * K) / H);
      const row = (i * H + h) * D;
      const weights = Array.from({ length: S }, (_, j) => {
        if (!sees(i, j)) return weightOf(cap);
        let dot = 0;
        for (let d = 0; d < D; d++) dot += at(q, row + d) * at(k, (j * K + kv) * D + d);
        return Math.exp(cap * Math.tanh((dot * attrs.scale) / cap));
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      weights.forEach((weight, j) => {
        for (let d = 0; d < D; d++) {
          y[row + d] = (y[row + d] ?? 0) + (weight / total) * at(v, (j * K + kv) * D + d);
        }
      });
    }
  }
  return { y };
}
