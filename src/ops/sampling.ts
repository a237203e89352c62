import { isFloat } from '../core/dtype.ts';
import { InputError, ShapeError } from '../core/errors.ts';
import { pcg4d } from '../core/pcg4d.ts';
import { dim, elementCount, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/** How the next token of one row is drawn. */
export interface Sampling {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** Keeps the k likeliest tokens, and those that tie with the last of them; 0 keeps all. */
  readonly topK: number;
  /** Keeps the likeliest tokens whose probabilities reach this sum; 1 keeps all. */
  readonly topP: number;
  /** Drops tokens less likely than this share of the likeliest one's probability; 0 keeps all. */
  readonly minP: number;
  /** Above 1 makes tokens seen before less likely (Keskar et al. 2019); 1 leaves them. */
  readonly repetitionPenalty: number;
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Number of the token being drawn: each step of a seed has its own noise. */
  readonly step: number;
}

/** u32 words of one row of `sampling`: temperature, topK, topP, minP, penalty, seed low, seed high, step. */
export const SAMPLING_WORDS = 8;

/** One row of `sampleToken`'s parameters; floats as their bits. Throws InputError for a value out of range. */
export function encodeSampling(sampling: Sampling): Uint32Array<ArrayBuffer> {
  const { temperature, topK, topP, minP, repetitionPenalty, seed, step } = sampling;
  check('temperature', temperature, temperature >= 0 && temperature < 1e6, '0 or more');
  check('topK', topK, isWord(topK), 'an integer, 0 or more');
  check('topP', topP, topP > 0 && topP <= 1, 'over 0, up to 1');
  check('minP', minP, minP >= 0 && minP <= 1, '0 to 1');
  check(
    'repetitionPenalty',
    repetitionPenalty,
    repetitionPenalty > 0 && repetitionPenalty < 1e6,
    'a number over 0',
  );
  check('seed', seed, Number.isSafeInteger(seed) && seed >= 0, 'an integer, 0 or more');
  check('step', step, isWord(step), 'an integer, 0 or more');
  const words = new Uint32Array(SAMPLING_WORDS);
  const floats = new Float32Array(words.buffer);
  floats[0] = temperature;
  words[1] = topK;
  floats[2] = topP;
  floats[3] = minP;
  floats[4] = repetitionPenalty;
  words[5] = seed % 2 ** 32;
  words[6] = Math.floor(seed / 2 ** 32);
  words[7] = step;
  return words;
}

const isWord = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** 32;

function check(name: string, value: number, holds: boolean, expected: string): void {
  if (!holds) throw new InputError(`sampling: ${name} is ${value}; expected ${expected}.`);
}

/**
 * Draws a token per row: repetition penalty, then temperature, topK, topP and minP in the order of Hugging Face
 * generate, then the Gumbel-max trick (Gumbel 1954) with noise from a hash of seed, step and token. A row's draw
 * depends on nothing but that row.
 * logits [B, V] f32|f16, seen? [B, V] u32 (not 0: the token occurred), sampling [B, 8] u32 → ids [B] u32.
 */
export const sampleToken = defineOp<Record<never, never>>({
  name: 'sampleToken',
  inputs: ['logits', 'seen?', 'sampling'],
  infer(inputs, _attrs, where) {
    const logits = required(inputs, 'logits', where);
    const sampling = required(inputs, 'sampling', where);
    const { seen } = inputs;
    const [rows = 0] = logits.shape;
    const seenFits = !seen || (seen.dtype === 'u32' && sameShape(seen.shape, logits.shape));
    const fits = logits.shape.length === 2 && isFloat(logits.dtype) && seenFits;
    if (!fits || sampling.dtype !== 'u32' || !sameShape(sampling.shape, [rows, SAMPLING_WORDS])) {
      throw new ShapeError(
        `${where}: logits ${logits.dtype} ${formatShape(logits.shape)}, sampling ${sampling.dtype} ` +
          `${formatShape(sampling.shape)}${seen ? `, seen ${seen.dtype} ${formatShape(seen.shape)}` : ''}; ` +
          `expected floats [B, V], u32 [B, ${SAMPLING_WORDS}] and u32 [B, V].`,
      );
    }
    return { ids: { dtype: 'u32', shape: [rows] } };
  },
});

export const sampleTokenReference: Reference = (inputs) => {
  const logits = required(inputs, 'logits', 'sampleToken');
  const sampling = required(inputs, 'sampling', 'sampleToken');
  const vocab = dim(logits.shape, 1);
  const ids = new Float64Array(dim(logits.shape, 0)).map((_, row) =>
    sampleRow(
      logits.data.subarray(row * vocab, (row + 1) * vocab),
      inputs.seen?.data.subarray(row * vocab, (row + 1) * vocab),
      Uint32Array.from(sampling.data.subarray(row * SAMPLING_WORDS, (row + 1) * SAMPLING_WORDS)),
    ),
  );
  return { ids };
};

/** The token of one row, whose parameters are `words`, of `encodeSampling`. */
export function sampleRow(
  logits: Float64Array,
  seen: Float64Array | undefined,
  words: Uint32Array<ArrayBuffer>,
): number {
  const [temperature = 0, , , , penalty = 1] = new Float32Array(words.buffer);
  const scores = logits.map((logit, i) =>
    seen?.[i] ? (logit < 0 ? logit * penalty : logit / penalty) : logit,
  );
  if (temperature === 0) return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
  const threshold = sampleThreshold(scores, words);
  const [, , , , , seedLow = 0, seedHigh = 0, step = 0] = words;
  let token = 0;
  let best = Number.NEGATIVE_INFINITY;
  scores.forEach((score, i) => {
    if (score < threshold) return;
    const uniform = (pcg4d(seedLow, seedHigh, step, i) + 0.5) / 2 ** 32;
    const perturbed = score / temperature - Math.log(-Math.log1p(-uniform));
    if (perturbed <= best) return;
    best = perturbed;
    token = i;
  });
  return token;
}

/** The lowest score that stays: temperature keeps order, so topK, topP and minP are each a bound on scores. */
export function sampleThreshold(scores: Float64Array, words: Uint32Array<ArrayBuffer>): number {
  const [temperature = 0, , topP = 1, minP = 0] = new Float32Array(words.buffer);
  const topK = words[1] ?? 0;
  const descending = Float64Array.from(scores).sort().reverse();
  const max = descending[0] ?? 0;
  let threshold = minP > 0 ? max + temperature * Math.log(minP) : Number.NEGATIVE_INFINITY;
  let kept = descending;
  if (topK > 0 && topK < scores.length) {
    const last = descending[topK - 1] ?? max;
    kept = descending.filter((score) => score >= last);
    threshold = Math.max(threshold, last);
  }
  if (topP < 1) {
    const masses = kept.map((score) => Math.exp((score - max) / temperature));
    const target = topP * masses.reduce((sum, mass) => sum + mass, 0);
    let reached = 0;
    const last = kept.find((_, i) => {
      reached += masses[i] ?? 0;
      return reached >= target;
    });
    threshold = Math.max(threshold, last ?? Number.NEGATIVE_INFINITY);
  }
  return threshold;
}

/**
 * Notes that tokens occurred: seen[b, ids[b, ...]] = 1, in place; ids outside the vocabulary are passed over, so a
 * negative one pads. seen [B, V] u32, ids [B, ...] i32|u32.
 */
export const markSeen = defineOp<Record<never, never>>({
  name: 'markSeen',
  inputs: ['seen', 'ids'],
  traits: { aliases: { seen: 'seen' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const seen = required(inputs, 'seen', where);
    const ids = required(inputs, 'ids', where);
    const fits = seen.shape.length === 2 && seen.dtype === 'u32' && seen.shape[0] === ids.shape[0];
    if (!fits || isFloat(ids.dtype)) {
      throw new ShapeError(
        `${where}: seen is ${seen.dtype} ${formatShape(seen.shape)}, ids ${ids.dtype} ${formatShape(ids.shape)}; ` +
          'expected u32 [B, V] and integers [B, ...].',
      );
    }
    return { seen };
  },
});

export const markSeenReference: Reference = (inputs) => {
  const seen = required(inputs, 'seen', 'markSeen');
  const ids = required(inputs, 'ids', 'markSeen');
  const [rows, vocab] = [dim(seen.shape, 0), dim(seen.shape, 1)];
  const perRow = elementCount(ids.shape) / rows;
  const marked = Float64Array.from(seen.data);
  ids.data.forEach((id, i) => {
    if (id >= 0 && id < vocab) marked[Math.floor(i / perRow) * vocab + id] = 1;
  });
  return { seen: marked };
};
