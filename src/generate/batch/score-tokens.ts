import type { PickedToken, ScoredToken } from './batch.ts';

/** Token `id` and the `count` likeliest with their log probabilities: log softmax of one row of logits, in f64. */
export function scoreTokens(logits: Float32Array, id: number, count: number): PickedToken {
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  const logSum = max + Math.log(sum);
  const scored = (token: number): ScoredToken => ({ id: token, logprob: (logits[token] ?? max) - logSum });
  return { ...scored(id), top: likeliest(logits, count).map(scored) };
}

/** The `count` highest, the highest first; of equal ones the first. */
function likeliest(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  if (count === 0) return best;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] ?? 0;
    const last = best[best.length - 1];
    if (best.length === count && last !== undefined && logit <= (logits[last] ?? 0)) continue;
    let at = best.length;
    while (at > 0 && logit > (logits[best[at - 1] ?? 0] ?? 0)) at--;
    best.splice(at, 0, i);
    if (best.length > count) best.pop();
  }
  return best;
}
