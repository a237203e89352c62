import type { Device } from '../../src/device/gpu-device.ts';
import { sampleTokenRadix } from '../../src/kernels/sample-token-radix.ts';
import { type Named, type ReferenceTensor, required } from '../../src/ops/op.ts';
import { type Sampling, sampleToken } from '../../src/ops/sampling.ts';
import { runKernel } from '../kernels/run-kernel.ts';

/**
 * Indices that TopKLogitsWarper, TopPLogitsWarper and MinPLogitsWarper of Hugging Face transformers leave, in the
 * order generate applies them, written as those are: sorted ascending, cumulated, compared.
 */
export function hfWarpers(logits: Float64Array, { temperature, topK, topP, minP }: Sampling): number[] {
  const scores = logits.map((logit) => logit / temperature);
  if (topK > 0) {
    const last = scores.toSorted().at(-Math.min(topK, scores.length)) ?? 0;
    drop(scores, (score) => score < last);
  }
  if (topP < 1) {
    const probabilities = softmax(scores);
    const ascending = [...scores.keys()].sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
    let cumulated = 0;
    ascending.forEach((at, rank) => {
      cumulated += probabilities[at] ?? 0;
      if (cumulated <= 1 - topP && rank < ascending.length - 1) scores[at] = Number.NEGATIVE_INFINITY;
    });
  }
  if (minP > 0) {
    const probabilities = softmax(scores);
    const bound = minP * Math.max(...probabilities);
    drop(scores, (_, i) => (probabilities[i] ?? 0) < bound);
  }
  return [...scores.keys()].filter((i) => scores[i] !== Number.NEGATIVE_INFINITY);
}

function drop(scores: Float64Array, isOut: (score: number, i: number) => boolean): void {
  scores.forEach((score, i) => {
    if (isOut(score, i)) scores[i] = Number.NEGATIVE_INFINITY;
  });
}

function softmax(scores: Float64Array): Float64Array {
  const max = Math.max(...scores);
  const masses = scores.map((score) => Math.exp(score - max));
  const total = masses.reduce((a, b) => a + b, 0);
  return masses.map((mass) => mass / total);
}

/** Pearson's statistic; infinite where something impossible was drawn. */
export function chiSquare(counts: Float64Array, probabilities: Float64Array): number {
  const draws = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, count, i) => {
    const expected = draws * (probabilities[i] ?? 0);
    if (expected === 0) return count === 0 ? sum : Number.POSITIVE_INFINITY;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

export async function sampleOnDevice(device: Device, inputs: Named<ReferenceTensor>): Promise<Float64Array> {
  const call = { inputs, outputs: sampleToken.infer(inputs, {}, 'sampleToken'), attrs: {} };
  const values = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));
  return required(await runKernel(device, sampleTokenRadix, {}, call, values), 'ids', 'sampleToken');
}
