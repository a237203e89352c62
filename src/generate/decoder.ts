import { InputError, invariant } from '../core/errors.ts';
import { encodeSampling } from '../ops/sampling.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createStateStore, type StateStore } from '../runtime/state-store.ts';
import { throwIfAborted } from './abort.ts';
import type { SamplingOptions } from './generation-config.ts';
import { buildDecoderGraph, type DecoderShape } from './graphs.ts';
import type { ImageFeatures } from './image-encoder.ts';
import { createSessionCache, type ModelRuntime } from './sessions.ts';

/** Tokens of one pass at most: longer prompts run in chunks, so that memory does not grow with the prompt. */
const MAX_CHUNK = 512;
/** The cache grows in these steps, so that few lengths mean few compilations. */
const CAPACITY_STEP = 256;
/** One decode step and a few prompt buckets, each with and without pictures. */
const MAX_SESSIONS = 8;

/** Tokens to run, and how to pick the one after them. */
export interface DecoderInput {
  readonly tokenIds: readonly number[];
  /** Image features and, for each token, its row in them or -1. */
  readonly images?: { readonly features: ImageFeatures; readonly index: Int32Array } | undefined;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** A language decoder with its KV cache. */
export interface Decoder {
  /** Tokens in the cache. */
  readonly past: number;
  /** Makes room for `tokens` in all and forgets what the cache held. Throws InputError beyond the context length. */
  start(tokens: number): void;
  /** Appends tokens to the cache and picks the next one. */
  next(input: DecoderInput): Promise<number>;
  /** Compiles the decode step and loads its weights. */
  prepare(): Promise<void>;
  dispose(): void;
}

export function createDecoder(runtime: ModelRuntime): Decoder {
  const { device, model, weightScope, precision } = runtime;
  const contextLength = model.text.maxPositionEmbeddings;
  let capacity = initialCapacity(contextLength);
  let past = 0;
  let states: StateStore = createStateStore(device);
  let sessions = createSessionCache(runtime, states, MAX_SESSIONS);

  const session = (seq: number, imageTokens: number, picker: DecoderShape['picker']) =>
    sessions.get(`decoder S=${seq} images=${imageTokens} ${picker}`, () =>
      buildDecoderGraph(model, weightScope, precision, { seq, capacity, imageTokens, picker }),
    );

  const reserve = (tokens: number): void => {
    if (tokens <= capacity) return;
    sessions.clear();
    states.dispose();
    // Doubling keeps a growing chat from compiling anew at every turn.
    const wanted = Math.max(roundUp(tokens, CAPACITY_STEP), 2 * capacity);
    capacity = Math.min(wanted, contextLength);
    states = createStateStore(device);
    sessions = createSessionCache(runtime, states, MAX_SESSIONS);
  };

  const runChunk = async (input: DecoderInput, begin: number, count: number): Promise<number> => {
    const seq = bucketOf(count);
    const imageTokens = input.images?.features.rows ?? 0;
    const picker = isGreedy(input.sampling) ? 'greedy' : 'sample';
    const step = await session(seq, imageTokens, picker);
    const { token } = await step.runAndRead(chunkInputs(input, begin, count, seq, past, capacity), ['token']);
    past += count;
    return firstOf(token);
  };

  return {
    get past() {
      return past;
    },
    start(tokens) {
      if (tokens > contextLength) {
        throw new InputError(
          `generate: ${tokens} tokens do not fit the model's context of ${contextLength}; expected fewer. Shorten the prompt or use fewer pictures.`,
        );
      }
      reserve(tokens);
      states.reset();
      past = 0;
    },
    async next(input) {
      invariant(
        past + input.tokenIds.length <= capacity,
        `${input.tokenIds.length} tokens after ${past} overflow a cache of ${capacity}`,
      );
      let token = 0;
      for (let begin = 0; begin < input.tokenIds.length; begin += MAX_CHUNK) {
        throwIfAborted(input.signal);
        token = await runChunk(input, begin, Math.min(MAX_CHUNK, input.tokenIds.length - begin));
      }
      return token;
    },
    async prepare() {
      await session(1, 0, 'greedy');
    },
    dispose() {
      sessions.clear();
      states.dispose();
    },
  };
}

/** Tokens a decoder's cache holds before anyone asks for more. */
export const initialCapacity = (contextLength: number): number => Math.min(CAPACITY_STEP, contextLength);

/** Greedy picking without a penalty needs neither parameters nor a record of what was seen. */
const isGreedy = (sampling: SamplingOptions): boolean =>
  sampling.temperature === 0 && sampling.repetitionPenalty === 1;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Padded length of a pass: few lengths mean few plans, and small steps waste little work. */
function bucketOf(count: number): number {
  if (count === 1) return 1;
  return count <= 128 ? roundUp(count, 16) : roundUp(count, 64);
}

/**
 * Inputs of one pass. Padding comes after the tokens: its cache rows are overwritten before any token sees them,
 * and rows beyond the cache are dropped.
 */
function chunkInputs(
  { tokenIds, images, sampling, seed }: DecoderInput,
  begin: number,
  count: number,
  seq: number,
  past: number,
  capacity: number,
): Record<string, InputValue> {
  const ids = new Uint32Array(seq);
  ids.set(tokenIds.slice(begin, begin + count));
  const inputs: Record<string, InputValue> = {
    ids,
    past: Uint32Array.of(past),
    positions: Uint32Array.from({ length: seq }, (_, i) => Math.min(past + i, capacity - 1)),
    lastRow: Uint32Array.of(count - 1),
  };
  if (images) {
    inputs.imageFeatures = images.features.tensor;
    inputs.imageIndex = new Int32Array(seq)
      .fill(-1)
      .map((none, i) => (i < count ? (images.index[begin + i] ?? none) : none));
  }
  if (!isGreedy(sampling)) {
    inputs.seenIds = new Int32Array(seq)
      .fill(-1)
      .map((none, i) => (i < count ? (tokenIds[begin + i] ?? none) : none));
    inputs.sampling = encodeSampling({ ...sampling, seed, step: past + count });
  }
  return inputs;
}

function firstOf(values: HostArray | undefined): number {
  const value = values?.[0];
  invariant(value !== undefined, 'the decoder gave no token');
  return value;
}
