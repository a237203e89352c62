import { InputError } from '../core/errors.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';

/** The learned numbers of a checkpoint that turn a cosine into a logit. */
export interface LogitParameters {
  /** Logarithm of the factor. */
  readonly logitScale: number;
  /** Zero where the model has none. */
  readonly logitBias: number;
}

/** A picture against one text. */
export interface Score {
  /** Cosine of the angle between the two embeddings, -1 to 1. */
  readonly similarity: number;
  /** exp(logitScale) * similarity + logitBias, divided by the temperature. */
  readonly logit: number;
  /** 0 to 1: one of all texts (`softmax`, they add up to 1), or of this text by itself (`sigmoid`). */
  readonly probability: number;
}

/** Dot product, which of unit vectors is the cosine. Throws InputError where lengths differ. */
export function similarity(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    throw new InputError(
      `similarity: embeddings have ${a.length} and ${b.length} values; expected two of one model.`,
    );
  }
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/**
 * One picture against each text, in the order of `texts`. A temperature above 1 evens the probabilities out, one below
 * sharpens them. Throws InputError for a temperature that is not positive.
 */
export function scoreTexts(
  image: Float32Array,
  texts: readonly Float32Array[],
  { logitScale, logitBias }: LogitParameters,
  probability: DualEncoder['probability'],
  temperature = 1,
): readonly Score[] {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new InputError(`classify: temperature is ${temperature}; expected a number above 0.`);
  }
  const similarities = texts.map((text) => similarity(image, text));
  const logits = similarities.map((cosine) => (Math.exp(logitScale) * cosine + logitBias) / temperature);
  const probabilities = probability === 'softmax' ? softmax(logits) : logits.map(sigmoid);
  return similarities.map((cosine, i) => ({
    similarity: cosine,
    logit: logits[i] ?? Number.NaN,
    probability: probabilities[i] ?? Number.NaN,
  }));
}

function softmax(logits: readonly number[]): number[] {
  const max = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - max));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
