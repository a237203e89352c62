import { AbortError, InputError, invariant } from '../../core/errors.ts';
import { encodeSampling, sampleRow } from '../../ops/sampling.ts';
import type { ProcessedMedium } from '../../processors/processor.ts';
import { type AnswerText, createAnswerText } from '../answer-text.ts';
import type { CheckpointAssets } from '../checkpoint-assets.ts';
import type { GenerationResult } from '../generation.ts';
import { type SamplingOptions, samplingOf } from '../generation-config.ts';
import { mediaBeyond } from '../prefix.ts';
import { buildPrompt, type Prompt } from '../prompt.ts';
import type { AnswerPiece, BatchRequest, PickedToken, TokenConstraint } from './batch.ts';
import { pageContents } from './page-contents.ts';
import { PAGE_SIZE, type TakenPages } from './page-pool.ts';
import type { PassRow } from './pass-inputs.ts';
import { scoreTokens } from './score-tokens.ts';

/** A request on its way: waiting, prepared, its prompt running, then a token at a time. */
export interface Job {
  readonly client: string;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  /** Whether tokens are picked or scored on the host, which needs logits. */
  readonly readsLogits: boolean;
  readonly isAborted: boolean;
  /** Known once prepared, as what follows. */
  readonly promptTokens: number;
  readonly hasPictures: boolean;
  /** Tokens that the cache must hold. */
  readonly reservedTokens: number;
  /** What the prompt's first pages are to hold, as far as it may share them; at least a token is left to run. */
  readonly beginning: readonly string[];
  /** What it holds of the cache. */
  pages: TakenPages;
  /** What its full pages hold by now. */
  contents(): readonly string[];
  /** Opens the pictures and makes the prompt. Throws what the answer ends with. */
  prepare(): Promise<void>;
  /** Takes the token that was picked after `past` tokens; true where the answer ends with it. */
  take(token: number, past: number, logits: Float32Array | undefined): boolean;
  /** Its prompt's row in a pass, as far as the cache does not hold it, with the pictures that this needs. */
  promptRow(): PromptRow;
  /** Its latest token's row in a pass. */
  row(): PassRow;
  fail(error: unknown): void;
}

/** A prompt in a pass; its image indices count from its own first feature. */
export interface PromptRow {
  readonly row: PassRow;
  readonly media: readonly ProcessedMedium[];
}

/** No pages. */
export const NO_PAGES: TakenPages = { pages: [], known: 0 };

export interface JobSettling {
  readonly emit: (piece: AnswerPiece) => void;
  readonly resolve: (result: GenerationResult) => void;
  readonly reject: (error: unknown) => void;
}

export interface JobContext {
  readonly assets: CheckpointAssets;
  readonly contextTokens: number;
  readonly peakGpuBytes: () => number;
}

export function createJob(request: BatchRequest, settling: JobSettling, context: JobContext): Job {
  const { assets, contextTokens } = context;
  const { generation, tokenizer, model } = assets;
  const startedMs = performance.now();
  const sampling = samplingOf(generation, request);
  const seed = request.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const { topLogprobs } = request;
  const penalized = sampling.repetitionPenalty !== 1;
  const picksHere = penalized || request.constraint !== undefined;
  /** Its keys and values come from passes of its own alone, as `GenerateOptions.seed` says. */
  const seeded = request.seed !== undefined;
  const unsent: PickedToken[] = [];
  let prompt: Prompt | undefined;
  let written: AnswerText | undefined;
  let seen: Float64Array | undefined;
  let constraint: TokenConstraint | undefined;
  let reservedTokens = 0;
  let beginning: readonly string[] = [];
  let reusedTokens = 0;
  let firstTokenMs = 0;
  let latest = { token: 0, past: 0 };

  /** The GPU knows nothing of the tokens seen before, nor of grammars. */
  const pickToken = (logits: Float32Array, step: number): number => {
    const allowed = constraint?.allowed();
    const isAllowed = (id: number): boolean =>
      !allowed || (((allowed[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
    const scores = Float64Array.from(logits, (logit, id) =>
      isAllowed(id) ? logit : Number.NEGATIVE_INFINITY,
    );
    return sampleRow(scores, seen, encodeSampling({ ...sampling, seed, step }));
  };

  /** The first tells the client, and with it all that follow: how long an answer takes shall not tell what others asked. */
  const ownContents = (...parts: Parameters<typeof pageContents>): readonly string[] =>
    pageContents(...parts).map((content, i) => (i === 0 ? `${request.client} ${content}` : content));

  const endConstraint = (): void => {
    constraint?.dispose();
    constraint = undefined;
  };

  const resultOf = (answer: AnswerText, finishReason: GenerationResult['finishReason']): GenerationResult => {
    const totalMs = performance.now() - startedMs;
    const { tokenIds, text } = answer;
    const promptTokenIds = prompt?.tokenIds ?? [];
    return {
      text,
      tokenIds,
      promptTokenIds,
      finishReason,
      stats: {
        promptTokens: promptTokenIds.length,
        reusedTokens,
        generatedTokens: tokenIds.length,
        firstTokenMs,
        totalMs,
        tokensPerSecond: tokenIds.length > 1 ? ((tokenIds.length - 1) * 1000) / (totalMs - firstTokenMs) : 0,
        dispatchesPerToken: 0,
        peakGpuBytes: context.peakGpuBytes(),
        seed,
      },
    };
  };

  const job: Job = {
    client: request.client,
    sampling,
    seed,
    readsLogits: picksHere || topLogprobs !== undefined,
    get isAborted() {
      return request.signal?.aborted ?? false;
    },
    get promptTokens() {
      return prompt?.tokenIds.length ?? 0;
    },
    get hasPictures() {
      return (prompt?.media.length ?? 0) > 0;
    },
    get reservedTokens() {
      return reservedTokens;
    },
    get beginning() {
      return beginning;
    },
    pages: NO_PAGES,
    contents() {
      if (!prompt || seeded) return [];
      return ownContents(prompt, written?.tokenIds ?? [], latest.past);
    },
    async prepare() {
      prompt = await buildPrompt(assets, { messages: await request.messages() });
      const { length } = prompt.tokenIds;
      if (length >= contextTokens) {
        throw new InputError(
          `prompt: ${length} tokens do not fit the context of ${contextTokens}; expected fewer. Shorten it or use fewer pictures.`,
        );
      }
      const wanted = request.maxNewTokens ?? generation.maxNewTokens;
      const maxNewTokens = Math.max(1, Math.min(wanted, contextTokens - length));
      written = createAnswerText(tokenizer, {
        maxNewTokens,
        stop: request.stop ?? [],
        eosTokenIds: generation.eosTokenIds,
      });
      reservedTokens = length + maxNewTokens;
      if (!seeded) beginning = ownContents(prompt, [], length - 1);
      const { eosTokenIds } = generation;
      constraint = await request.constraint?.({ tokenizer, size: model.text.vocabSize, eosTokenIds });
      if (!penalized) return;
      seen = new Float64Array(model.text.vocabSize);
      for (const id of prompt.tokenIds) seen[id] = 1;
    },
    take(picked, past, logits) {
      if (!written) return true;
      if (written.tokenIds.length === 0) firstTokenMs = performance.now() - startedMs;
      const token = picksHere && logits ? pickToken(logits, past) : picked;
      latest = { token, past };
      if (seen) seen[token] = 1;
      if (topLogprobs !== undefined && logits) unsent.push(scoreTokens(logits, token, topLogprobs));
      const { text, finishReason } = written.push(token);
      if (text !== '' || (finishReason !== null && unsent.length > 0))
        settling.emit({ text, tokens: unsent.splice(0) });
      if (finishReason === null) {
        void constraint?.take(token);
        return false;
      }
      endConstraint();
      settling.resolve(resultOf(written, finishReason));
      return true;
    },
    promptRow() {
      invariant(prompt, 'a prompt that is not made');
      reusedTokens = job.pages.known * PAGE_SIZE;
      const { tokenIds, positions, nextPosition, spans } = prompt;
      const { media, index } = mediaBeyond(prompt, reusedTokens);
      const row = {
        tokenIds: tokenIds.slice(reusedTokens),
        past: reusedTokens,
        positions: positions.map((axis) => axis.subarray(reusedTokens)),
        nextPosition,
        imageIndex: index,
        spans,
        pages: job.pages.pages,
        sampling,
        seed,
      };
      return { row, media };
    },
    row() {
      const answered = (written?.tokenIds.length ?? 1) - 1;
      const nextPosition = (prompt?.nextPosition ?? 0) + answered;
      const { token, past } = latest;
      return { tokenIds: [token], past, nextPosition, pages: job.pages.pages, sampling, seed };
    },
    fail(error) {
      endConstraint();
      settling.reject(request.signal?.aborted ? new AbortError() : error);
    },
  };
  return job;
}
