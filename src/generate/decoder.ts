import type { Plan } from '../compile/plan.ts';
import { InputError, invariant } from '../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { encodeSampling } from '../ops/sampling.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { DeviceTensor } from '../runtime/inputs.ts';
import { createStateStore, type StateStore } from '../runtime/state-store.ts';
import { throwIfAborted } from './abort.ts';
import { bucketOf, chunkEnd, type DecoderTokens, decoderInputs } from './decoder-inputs.ts';
import type { SamplingOptions } from './generation-config.ts';
import { buildDecoderGraph, buildSeenGraph, type DecoderShape } from './graphs.ts';
import { createSessionCache, type ModelRuntime, type PlansAhead } from './sessions.ts';

/** The cache grows in these steps, so that few lengths mean few compilations. */
const CAPACITY_STEP = 256;
/** One decode step and a few prompt buckets, each with and without pictures. */
const MAX_SESSIONS = 8;

/** Tokens to run, and how to pick the one after them. */
export interface DecoderInput extends DecoderTokens {
  /** Position of the token after these; counted on by one each where absent. */
  readonly nextPosition?: number;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** The token after a pass that was submitted, once it is read. */
export interface SubmittedToken {
  readonly token: Promise<number>;
}

export type Picker = 'greedy' | 'sample';

/** What the plans of a prompt depend on. */
export interface PromptShape {
  readonly tokens: number;
  /** Rows of its image features; 0 for text only. */
  readonly imageRows: number;
  readonly spans?: Uint32Array | undefined;
}

/** A language decoder with its KV cache. */
export interface Decoder {
  /** Tokens in the cache. */
  readonly past: number;
  /** Dispatches of the latest pass over a single token; 0 before the first. */
  readonly dispatchesPerToken: number;
  /**
   * Makes room for `tokens` in all and forgets all but the first `keep` of those in the cache. Returns how many are
   * kept: none where the cache has to grow. Throws InputError beyond the context length.
   */
  start(tokens: number, keep?: number): number;
  /** Counts `tokenIds`, which were kept, as seen: a repetition penalty is about them too. */
  markSeen(tokenIds: readonly number[]): Promise<void>;
  /** Submits passes that append tokens to the cache and pick the next one, and waits for all of them but the last. */
  submit(input: DecoderInput): Promise<SubmittedToken>;
  /** `submit` of the token that the latest pass picked, where it lies on the GPU: nobody has to have read it yet. */
  ahead(input: Pick<DecoderInput, 'sampling' | 'seed'>): Promise<SubmittedToken>;
  /** Forgets the token that the latest `ahead` appended. */
  takeBack(): void;
  /** The plan of a step, which uses every weight of the decoder. It is compiled now, to be run later. */
  stepPlan(picker: Picker): Plan;
  /** The same for the passes of a prompt that begins the cache. */
  promptPlans(prompt: PromptShape, picker: Picker): readonly Plan[];
  /** Makes the step ready to run, and loads its weights. */
  prepare(picker?: Picker): Promise<void>;
  dispose(): void;
}

export function createDecoder(runtime: ModelRuntime): Decoder {
  const { device, model, weightScope, precision } = runtime;
  const contextLength = model.text.maxPositionEmbeddings;
  let capacity = initialCapacity(contextLength);
  let past = 0;
  let nextPosition = 0;
  let dispatchesPerToken = 0;
  /** The token picked last. */
  let picked: DeviceTensor | undefined;
  let states: StateStore = createStateStore(device);
  const ahead: PlansAhead = new Map();
  let sessions = createSessionCache(runtime, states, MAX_SESSIONS, ahead);

  const pass = (sizes: Omit<DecoderShape, 'capacity'>): [key: string, build: () => Graph] => {
    const shape = { ...sizes, capacity };
    const key = `decoder ${Object.entries(shape).flat().join(' ')}`;
    return [key, () => buildDecoderGraph(model, weightScope, precision, shape)];
  };

  const reserve = (tokens: number): void => {
    sessions.clear();
    states.dispose();
    // Doubling keeps a growing chat from compiling anew at every turn.
    const wanted = Math.max(roundUp(tokens, CAPACITY_STEP), 2 * capacity);
    capacity = Math.min(wanted, contextLength);
    states = createStateStore(device);
    // Of the old length.
    ahead.clear();
    sessions = createSessionCache(runtime, states, MAX_SESSIONS, ahead);
  };

  /** `tokenOnGpu` stands in for the id of a single token that is not known here yet. */
  const runChunk = async (
    input: DecoderInput,
    begin: number,
    count: number,
    tokenOnGpu?: DeviceTensor,
  ): Promise<SubmittedToken> => {
    const seq = bucketOf(count);
    const { sampling, seed, images, spans } = input;
    const picker = pickerOf(sampling);
    const imageRows = images?.features.rows ?? 0;
    const step = await sessions.get(...pass({ seq, imageRows, spans: spans !== undefined, picker }));
    const inputs = decoderInputs(model, input, { begin, count, seq, past, nextPosition, capacity });
    if (tokenOnGpu) inputs.ids = tokenOnGpu;
    if (seq > 1) inputs.lastRow = Uint32Array.of(count - 1);
    if (picker === 'sample') {
      inputs.seenIds = tokenOnGpu ?? paddedIds(input.tokenIds.slice(begin, begin + count), seq);
      inputs.sampling = encodeSampling({ ...sampling, seed, step: past + count });
    }
    if (seq === 1) dispatchesPerToken = step.plan.dispatches.length;
    const reading = step.runAndRead(inputs, ['token']);
    picked = step.output('token');
    past += count;
    nextPosition += count;
    return { token: reading.then(({ token }) => firstOf(token)) };
  };

  return {
    get past() {
      return past;
    },
    get dispatchesPerToken() {
      return dispatchesPerToken;
    },
    start(tokens, keep = 0) {
      if (tokens > contextLength) {
        throw new InputError(
          `generate: ${tokens} tokens do not fit the model's context of ${contextLength}; expected fewer. Shorten the prompt or use fewer pictures.`,
        );
      }
      invariant(keep <= past, `${keep} tokens are to be kept of ${past}`);
      const kept = tokens <= capacity ? keep : 0;
      if (tokens > capacity) reserve(tokens);
      states.reset(kept > 0 ? 'seen' : undefined);
      past = kept;
      nextPosition = kept;
      return kept;
    },
    async markSeen(tokenIds) {
      const seq = roundUp(tokenIds.length, CAPACITY_STEP);
      const seen = await sessions.get(`seen ${seq}`, () => buildSeenGraph(model, seq));
      seen.run({ seenIds: paddedIds(tokenIds, seq) });
    },
    async submit(input) {
      const { tokenIds, spans, signal } = input;
      invariant(
        past + tokenIds.length <= capacity,
        `${tokenIds.length} tokens after ${past} overflow a cache of ${capacity}`,
      );
      let last: SubmittedToken | undefined;
      const before = past;
      for (let begin = 0; begin < tokenIds.length; ) {
        const end = chunkEnd(begin, tokenIds.length, spans, before);
        // Between chunks, so that an abort need not wait for all of a long prompt.
        await last?.token;
        throwIfAborted(signal);
        last = await runChunk(input, begin, end - begin);
        begin = end;
      }
      if (input.nextPosition !== undefined) nextPosition = input.nextPosition;
      invariant(last, 'a pass without tokens picks none');
      return last;
    },
    async ahead({ sampling, seed }) {
      invariant(picked && past < capacity, `a token after ${past} has no room in ${capacity} or no source`);
      return runChunk({ tokenIds: [0], sampling, seed }, 0, 1, picked);
    },
    takeBack() {
      past -= 1;
      nextPosition -= 1;
    },
    stepPlan: (picker) => sessions.planAhead(...pass({ ...STEP, picker })),
    promptPlans({ tokens, imageRows, spans }, picker) {
      const plans = new Set<Plan>();
      for (let begin = 0; begin < tokens; ) {
        const end = chunkEnd(begin, tokens, spans, 0);
        const seq = bucketOf(end - begin);
        plans.add(sessions.planAhead(...pass({ seq, imageRows, spans: spans !== undefined, picker })));
        begin = end;
      }
      return [...plans];
    },
    async prepare(picker = 'greedy') {
      await sessions.get(...pass({ ...STEP, picker }));
    },
    dispose() {
      sessions.clear();
      states.dispose();
    },
  };
}

/** Tokens a decoder's cache holds before anyone asks for more. */
export const initialCapacity = (contextLength: number): number => Math.min(CAPACITY_STEP, contextLength);

const STEP = { seq: 1, imageRows: 0, spans: false } as const;

/** Greedy picking without a penalty needs neither parameters nor a record of what was seen. */
export const pickerOf = ({ temperature, repetitionPenalty }: SamplingOptions): Picker =>
  temperature === 0 && repetitionPenalty === 1 ? 'greedy' : 'sample';

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Ids of one pass, -1 behind them. */
function paddedIds(tokenIds: readonly number[], seq: number): Int32Array<ArrayBuffer> {
  const ids = new Int32Array(seq).fill(-1);
  ids.set(tokenIds);
  return ids;
}

function firstOf(values: HostArray | undefined): number {
  const value = values?.[0];
  invariant(value !== undefined, 'the decoder gave no token');
  return value;
}
