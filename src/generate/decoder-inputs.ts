import type { Model } from '../models/model.ts';
import type { InputValue } from '../runtime/inputs.ts';

/** Tokens to append to a cache, with what the model is told of them. */
export interface DecoderTokens {
  readonly tokenIds: readonly number[];
  /** Image features and, for each token, its row in them or -1. */
  readonly images?:
    | {
        readonly features: { readonly tensor: InputValue; readonly rows: number };
        readonly index: Int32Array;
      }
    | undefined;
  /** Position of each token along each axis; counted on from the last where absent. */
  readonly positions?: readonly Int32Array[] | undefined;
  /** First and last key in the cache that each token sees besides those before it, [S, 2]. */
  readonly spans?: Uint32Array | undefined;
}

/** Tokens of one pass at most: longer prompts run in chunks, so that memory does not grow with the prompt. */
export const MAX_CHUNK = 512;

/** Padded length of a pass: few lengths mean few plans, and small steps waste little work. */
export function bucketOf(count: number): number {
  if (count === 1) return 1;
  const step = count <= 128 ? 16 : 64;
  return Math.ceil(count / step) * step;
}

/**
 * Where the chunk from `begin` on ends: MAX_CHUNK tokens further, moved so that no token sees keys that are not there
 * yet; `past` tokens lie in the cache before all of them.
 */
export function chunkEnd(
  begin: number,
  length: number,
  spans: Uint32Array | undefined,
  past: number,
): number {
  let end = Math.min(begin + MAX_CHUNK, length);
  if (!spans) return end;
  // Where the keys end that tokens before i see.
  let needed = begin;
  for (let i = begin; i < end; i++) {
    const last = Math.min((spans[2 * i + 1] ?? 0) - past, length);
    // Tokens that see beyond the chunk wait for the next, unless those before them are among what they see.
    if (last > end && i > begin && needed <= i) return i;
    needed = Math.max(needed, last);
    end = Math.max(end, last);
  }
  return end;
}

export interface DecoderChunk {
  readonly begin: number;
  readonly count: number;
  /** Padded length. */
  readonly seq: number;
  readonly past: number;
  readonly nextPosition: number;
  readonly capacity: number;
}

/**
 * Inputs of one pass but for those of picking. Padding comes after the tokens: its cache rows are overwritten before
 * any token sees them, and rows beyond the cache are dropped.
 */
export function decoderInputs(
  { mrope }: Model,
  { tokenIds, images, positions, spans }: DecoderTokens,
  { begin, count, seq, past, nextPosition, capacity }: DecoderChunk,
): Record<string, InputValue> {
  const ids = new Uint32Array(seq);
  ids.set(tokenIds.slice(begin, begin + count));
  const inputs: Record<string, InputValue> = { ids, past: Uint32Array.of(past) };
  const positionOf = (axis: number, i: number): number =>
    (i < count ? positions?.[axis]?.[begin + i] : undefined) ?? nextPosition + i;
  if (mrope) {
    const axes = Array.from({ length: mrope.axes }, (_, axis) =>
      Int32Array.from({ length: seq }, (_unused, i) => positionOf(axis, i)),
    );
    const { cos, sin } = mrope.tables(axes);
    inputs.ropeCos = cos;
    inputs.ropeSin = sin;
  } else {
    inputs.positions = Uint32Array.from({ length: seq }, (_, i) => Math.min(positionOf(0, i), capacity - 1));
  }
  if (images) {
    inputs.imageFeatures = images.features.tensor;
    inputs.imageIndex = new Int32Array(seq)
      .fill(-1)
      .map((none, i) => (i < count ? (images.index[begin + i] ?? none) : none));
  }
  if (spans) {
    const span = new Uint32Array(2 * seq);
    span.set(spans.subarray(2 * begin, 2 * (begin + count)));
    inputs.span = span;
  }
  return inputs;
}
