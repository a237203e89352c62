import { invariant } from '../../core/errors.ts';
import { encodeSampling } from '../../ops/sampling.ts';
import type { HostArray } from '../../runtime/host-array.ts';
import type { DeviceTensor } from '../../runtime/inputs.ts';
import type { Session } from '../../runtime/session.ts';
import { createStateStore } from '../../runtime/state-store.ts';
import { bucketOf, chunkEnd, decoderInputs } from '../decoder-inputs.ts';
import type { SamplingOptions } from '../generation-config.ts';
import { buildDecoderGraph } from '../graphs.ts';
import type { Prompt } from '../prompt.ts';
import { createSessionCache, type ModelRuntime } from '../sessions.ts';

/** Buckets of prompts, with and without pictures, greedy and not. */
const MAX_SESSIONS = 8;

export interface PrefillInput {
  readonly prompt: Prompt;
  readonly features: { readonly tensor: DeviceTensor; readonly rows: number } | undefined;
  readonly sampling: SamplingOptions;
  readonly seed: number;
}

/** What a prompt leaves. */
export interface Prefilled {
  readonly token: number;
  /** That the token was picked from, [V]. */
  readonly logits: Float32Array;
}

/** Runs prompts, one at a time, in a cache of their own without pages: through the very plans that answer one caller. */
export interface Prefill {
  /** Begins with `input`; what was there is forgotten. */
  start(input: PrefillInput): void;
  /** Runs a chunk; undefined while more are left. */
  step(): Promise<Prefilled | undefined>;
  /** State buffers of keys and values by name, each [1, capacity, K, D]. */
  states(): ReadonlyMap<string, GPUBuffer>;
  dispose(): void;
}

export function createPrefill(runtime: ModelRuntime, capacity: number): Prefill {
  const { device, model, weightScope, precision } = runtime;
  const store = createStateStore(device);
  const sessions = createSessionCache(runtime, store, MAX_SESSIONS);
  const buffers = new Map<string, GPUBuffer>();
  let current: PrefillInput | undefined;
  let begin = 0;

  const sessionFor = async (seq: number, { prompt, features, sampling }: PrefillInput): Promise<Session> => {
    const shape = {
      seq,
      imageRows: features?.rows ?? 0,
      spans: prompt.spans !== undefined,
      picker: isGreedy(sampling) ? ('greedy' as const) : ('sample' as const),
    };
    const session = await sessions.get(`prefill ${Object.values(shape).join(' ')}`, () =>
      buildDecoderGraph(model, weightScope, precision, { ...shape, capacity }),
    );
    for (const buffer of session.plan.buffers)
      if (buffer.kind === 'state' && buffer.name.startsWith('kv.'))
        buffers.set(buffer.name, store.buffer(buffer));
    return session;
  };

  return {
    start(input) {
      const { length } = input.prompt.tokenIds;
      invariant(length < capacity, `a prompt of ${length} tokens in a cache of ${capacity}`);
      current = input;
      begin = 0;
      store.reset('seen');
    },
    async step() {
      invariant(current, 'no prompt was started');
      const { prompt, features, sampling, seed } = current;
      const { tokenIds, spans } = prompt;
      const past = begin;
      const end = chunkEnd(begin, tokenIds.length, spans, 0);
      const count = end - begin;
      const seq = bucketOf(count);
      const session = await sessionFor(seq, current);
      const images = features && { features, index: prompt.imageIndex };
      const inputs = decoderInputs(
        model,
        { tokenIds, images, positions: prompt.positions, spans },
        { begin, count, seq, past, nextPosition: past, capacity },
      );
      if (session.plan.inputs.has('lastRow')) inputs.lastRow = Uint32Array.of(count - 1);
      if (!isGreedy(sampling)) {
        inputs.seenIds = Int32Array.from({ length: seq }, (_, i) =>
          i < count ? (tokenIds[begin + i] ?? -1) : -1,
        );
        inputs.sampling = encodeSampling({ ...sampling, seed, step: end });
      }
      begin = end;
      if (end < tokenIds.length) {
        // Awaited, so that chunks do not pile up before the steps of answers.
        await session.runAndRead(inputs, ['token']);
        return undefined;
      }
      const { token, logits } = await session.runAndRead(inputs, ['token', 'logits']);
      current = undefined;
      return { token: firstOf(token), logits: logits as Float32Array };
    },
    states: () => buffers,
    dispose() {
      sessions.clear();
      store.dispose();
    },
  };
}

const isGreedy = ({ temperature, repetitionPenalty }: SamplingOptions): boolean =>
  temperature === 0 && repetitionPenalty === 1;

function firstOf(values: HostArray | undefined): number {
  const value = values?.[0];
  invariant(value !== undefined, 'the prefill gave no token');
  return value;
}
