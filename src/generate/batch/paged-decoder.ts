import { DTYPE_BYTES } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { encodeSampling, SAMPLING_WORDS } from '../../ops/sampling.ts';
import type { HostArray } from '../../runtime/host-array.ts';
import type { InputValue } from '../../runtime/inputs.ts';
import type { Session } from '../../runtime/session.ts';
import { createStateStore } from '../../runtime/state-store.ts';
import { GREEDY, type SamplingOptions } from '../generation-config.ts';
import { createSessionCache, type ModelRuntime } from '../sessions.ts';
import { buildBatchGraph } from './decode-graph.ts';
import { PAGE_SIZE, pagesFor, SPARE_PAGE } from './page-pool.ts';

/** One answer in a step of all. */
export interface DecodeRow {
  /** Its latest token, which is not in the cache yet. */
  readonly token: number;
  /** Tokens in the cache. */
  readonly past: number;
  readonly position: number;
  readonly pages: readonly number[];
  readonly sampling: SamplingOptions;
  readonly seed: number;
}

export interface DecodedRows {
  /** Of each row, without repetition penalty. */
  readonly tokens: ArrayLike<number>;
  /** Of each row, where they were asked for. */
  readonly logits: readonly Float32Array[];
}

/** A decoder of several answers at once, over a cache in pages. */
export interface PagedDecoder {
  /** Copies a prompt's keys and values out of a cache without pages: the first `tokens` rows of each. */
  adopt(cache: ReadonlyMap<string, GPUBuffer>, pages: readonly number[], tokens: number): void;
  step(rows: readonly DecodeRow[], wantsLogits: boolean): Promise<DecodedRows>;
  /** Compiles the passes of all sizes. */
  prepare(): Promise<void>;
  dispose(): void;
}

export interface PagedDecoderSizes {
  /** Answers at once at most. */
  readonly slots: number;
  /** Pages that can be owned. */
  readonly pages: number;
  /** Tokens of one answer with its prompt. */
  readonly contextTokens: number;
}

export function createPagedDecoder(
  runtime: ModelRuntime,
  { slots, pages, contextTokens }: PagedDecoderSizes,
): PagedDecoder {
  const { device, model, weightScope, precision } = runtime;
  const { vocabSize } = model.text;
  const states = createStateStore(device);
  const sizes = passSizes(slots);
  const sessions = createSessionCache(runtime, states, sizes.length);
  const pool = new Map<string, GPUBuffer>();
  const pagesPerRow = pagesFor(contextTokens);

  const sessionOf = async (rows: number): Promise<Session> => {
    const shape = { rows, pages: pages + 1, pagesPerRow, pageSize: PAGE_SIZE };
    const session = await sessions.get(`batch of ${rows}`, () =>
      buildBatchGraph(model, weightScope, precision, shape),
    );
    for (const buffer of session.plan.buffers)
      if (buffer.kind === 'state') pool.set(buffer.name, states.buffer(buffer));
    return session;
  };

  return {
    adopt(cache, own, tokens) {
      const { numKeyValueHeads, headDim } = model.text;
      const rowBytes = numKeyValueHeads * headDim * DTYPE_BYTES[precision.kvCache];
      const encoder = device.gpu.createCommandEncoder({ label: 'prompt to pages' });
      for (const [name, target] of pool) {
        const source = cache.get(name);
        invariant(source, `the prompt left no "${name}"`);
        for (let n = 0; n < pagesFor(tokens); n++) {
          const first = n * PAGE_SIZE;
          const bytes = Math.min(PAGE_SIZE, tokens - first) * rowBytes;
          const page = own[n] ?? SPARE_PAGE;
          encoder.copyBufferToBuffer(source, first * rowBytes, target, page * PAGE_SIZE * rowBytes, bytes);
        }
      }
      device.gpu.queue.submit([encoder.finish()]);
    },
    async step(rows, wantsLogits) {
      const size = sizes.find((candidate) => candidate >= rows.length);
      invariant(size !== undefined, `${rows.length} rows in ${slots} slots`);
      const session = await sessionOf(size);
      const inputs = { ...rowInputs(rows, size, pagesPerRow), ...positionInputs(runtime, rows, size) };
      const { token, logits } = await session.runAndRead(
        inputs,
        wantsLogits ? ['token', 'logits'] : ['token'],
      );
      return {
        tokens: token ?? [],
        logits: rows.flatMap((_, i) => (logits ? [rowOf(logits, i, vocabSize)] : [])),
      };
    },
    async prepare() {
      for (const size of sizes) await sessionOf(size);
    },
    dispose() {
      sessions.clear();
      states.dispose();
    },
  };
}

/** Few sizes mean few plans; the rows that fill up a pass cost less than another plan would. */
export function passSizes(slots: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = 1; size < slots; size *= 4) sizes.push(size);
  return [...sizes, slots];
}

function rowInputs(
  rows: readonly DecodeRow[],
  size: number,
  pagesPerRow: number,
): Record<string, InputValue> {
  const ids = new Uint32Array(size);
  const past = new Uint32Array(size);
  const pages = new Uint32Array(size * pagesPerRow).fill(SPARE_PAGE);
  const sampling = new Uint32Array(size * SAMPLING_WORDS);
  const idle = encodeSampling({ ...GREEDY, seed: 0, step: 0 });
  for (let i = 0; i < size; i++) {
    const row = rows[i];
    if (row) {
      ids[i] = row.token;
      past[i] = row.past;
      pages.set(row.pages, i * pagesPerRow);
    }
    const words = row ? encodeSampling({ ...row.sampling, seed: row.seed, step: row.past + 1 }) : idle;
    sampling.set(words, i * SAMPLING_WORDS);
  }
  return { ids, past, pages, sampling };
}

function positionInputs(
  { model: { mrope } }: ModelRuntime,
  rows: readonly DecodeRow[],
  size: number,
): Record<string, InputValue> {
  const at = Int32Array.from({ length: size }, (_, i) => rows[i]?.position ?? 0);
  if (!mrope) return { positions: Uint32Array.from(at) };
  const { cos, sin } = mrope.tables(Array.from({ length: mrope.axes }, () => at));
  return { ropeCos: cos as Float32Array<ArrayBuffer>, ropeSin: sin as Float32Array<ArrayBuffer> };
}

const rowOf = (logits: HostArray, row: number, width: number): Float32Array =>
  (logits as Float32Array).subarray(row * width, (row + 1) * width);
