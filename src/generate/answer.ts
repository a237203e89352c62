import type { Tokenizer } from '../text/tokenizer.ts';
import { throwIfAborted } from './abort.ts';
import { type AnswerText, createAnswerText } from './answer-text.ts';
import type { Decoder, SubmittedToken } from './decoder.ts';
import type { GenerationResult } from './generation.ts';
import type { SamplingOptions } from './generation-config.ts';
import type { ImageEncoder } from './image-encoder.ts';
import { type CachedPrefix, commonPrefix, extendPrefix, mediaBeyond, prefixOf } from './prefix.ts';
import type { Prompt } from './prompt.ts';
import { createTokensAhead, type TokensAhead } from './tokens-ahead.ts';

/** Everything one answer needs, with no option left open. */
export interface AnswerRequest {
  readonly prompt: Prompt;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  /** Whether keys and values of the last answer may serve this one. */
  readonly reusePrefix: boolean;
  readonly maxNewTokens: number;
  readonly contextLength: number;
  readonly eosTokenIds: readonly number[];
  readonly stop: readonly string[];
  readonly signal: AbortSignal;
  /** When the caller asked, by performance.now(). */
  readonly startedMs: number;
}

export interface AnswerParts {
  /** What the decoder's cache holds from the last answer. */
  readonly conversation: Conversation;
  readonly decoder: Decoder;
  readonly imageEncoder: ImageEncoder | undefined;
  readonly tokenizer: Tokenizer;
  readonly peakGpuBytes: () => number;
}

export interface Conversation {
  cached: CachedPrefix | undefined;
}

/**
 * Prefill, then one token at a time until an end token, a stop string, `maxNewTokens` or the context's end.
 * Throws AbortError when the signal fires, InputError when the prompt does not fit the context.
 */
export async function answer(
  parts: AnswerParts,
  request: AnswerRequest,
  emit: (text: string) => void,
): Promise<GenerationResult> {
  const { decoder, conversation } = parts;
  const { prompt } = request;
  const promptLength = prompt.tokenIds.length;
  const maxNewTokens = Math.max(1, Math.min(request.maxNewTokens, request.contextLength - promptLength));
  const prefix = prefixOf(prompt);
  const { cached } = conversation;
  const common = cached && request.reusePrefix ? commonPrefix(cached, prefix) : 0;
  const written = createAnswerText(parts.tokenizer, { ...request, maxNewTokens });
  const keep = decoder.start(promptLength + maxNewTokens, common);
  const { tokenIds } = written;
  let tokens: TokensAhead | undefined;
  try {
    const first = await prefill(parts, request, keep);
    tokens = createTokensAhead(decoder, first, request, maxNewTokens);
    const firstToken = await tokens.take();
    const firstTokenMs = performance.now() - request.startedMs;
    const finishReason = await decodeTokens(request, { firstToken, written, tokens }, emit);
    const totalMs = performance.now() - request.startedMs;
    const decodeSeconds = (totalMs - firstTokenMs) / 1000;
    return {
      text: written.text,
      tokenIds,
      promptTokenIds: prompt.tokenIds,
      finishReason,
      stats: {
        promptTokens: promptLength,
        reusedTokens: keep,
        generatedTokens: tokenIds.length,
        firstTokenMs,
        totalMs,
        tokensPerSecond: tokenIds.length > 1 ? (tokenIds.length - 1) / decodeSeconds : 0,
        dispatchesPerToken: tokenIds.length > 1 ? decoder.dispatchesPerToken : 0,
        peakGpuBytes: parts.peakGpuBytes(),
        seed: request.seed,
      },
    };
  } finally {
    await tokens?.end();
    conversation.cached = extendPrefix(prefix, tokenIds, prompt.nextPosition, decoder.past);
  }
}

interface Decoding {
  readonly firstToken: number;
  /** Filled token by token, so that an answer that is stopped leaves what it had. */
  readonly written: AnswerText;
  readonly tokens: TokensAhead;
}

async function decodeTokens(
  { signal }: AnswerRequest,
  { firstToken, written, tokens }: Decoding,
  emit: (text: string) => void,
): Promise<GenerationResult['finishReason']> {
  for (let token = firstToken; ; token = await tokens.take()) {
    const { text, finishReason } = written.push(token);
    if (text !== '') emit(text);
    if (finishReason !== null) return finishReason;
    throwIfAborted(signal);
  }
}

/** Encodes the pictures and submits the prompt from token `keep` on; returns the first token. */
async function prefill(
  { decoder, imageEncoder }: AnswerParts,
  { prompt, sampling, seed, signal }: AnswerRequest,
  keep: number,
): Promise<SubmittedToken> {
  if (keep > 0 && sampling.repetitionPenalty !== 1) await decoder.markSeen(prompt.tokenIds.slice(0, keep));
  const { media, index } = mediaBeyond(prompt, keep);
  const input = {
    tokenIds: prompt.tokenIds.slice(keep),
    positions: prompt.positions.map((axis) => axis.subarray(keep)),
    nextPosition: prompt.nextPosition,
    spans: prompt.spans?.subarray(2 * keep),
    sampling,
    seed,
    signal,
  };
  if (!imageEncoder || media.length === 0) return decoder.submit(input);
  const features = await imageEncoder.encode(media, signal);
  try {
    return await decoder.submit({ ...input, images: { features, index } });
  } finally {
    // WebGPU keeps the memory until the passes that were submitted have read it.
    features.dispose();
  }
}
