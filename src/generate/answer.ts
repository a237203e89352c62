import { createDetokenizer } from '../text/detokenizer.ts';
import { createStopStrings } from '../text/stop-strings.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { throwIfAborted } from './abort.ts';
import type { Decoder } from './decoder.ts';
import type { GenerationResult } from './generation.ts';
import type { SamplingOptions } from './generation-config.ts';
import type { ImageEncoder } from './image-encoder.ts';
import type { Prompt } from './prompt.ts';

/** Everything one answer needs, with no option left open. */
export interface AnswerRequest {
  readonly prompt: Prompt;
  readonly sampling: SamplingOptions;
  readonly seed: number;
  readonly maxNewTokens: number;
  readonly contextLength: number;
  readonly eosTokenIds: readonly number[];
  readonly stop: readonly string[];
  readonly signal: AbortSignal;
  /** When the caller asked, by performance.now(). */
  readonly startedMs: number;
}

export interface AnswerParts {
  readonly decoder: Decoder;
  readonly imageEncoder: ImageEncoder | undefined;
  readonly tokenizer: Tokenizer;
  readonly peakGpuBytes: () => number;
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
  const { decoder, tokenizer } = parts;
  const { prompt, sampling, seed, signal } = request;
  const promptLength = prompt.tokenIds.length;
  const maxNewTokens = Math.max(1, Math.min(request.maxNewTokens, request.contextLength - promptLength));
  decoder.start(promptLength + maxNewTokens);

  const detokenizer = createDetokenizer(tokenizer);
  const stops = createStopStrings(request.stop);
  const tokenIds: number[] = [];
  let text = '';
  const write = (piece: string): void => {
    text += piece;
    if (piece !== '') emit(piece);
  };

  let token = await prefill(parts, request);
  const firstTokenMs = performance.now() - request.startedMs;
  let finishReason: GenerationResult['finishReason'] = 'length';
  for (;;) {
    tokenIds.push(token);
    const ended = request.eosTokenIds.includes(token);
    const released = stops.push(ended ? '' : detokenizer.push(token));
    write(released.text);
    if (ended || released.stopped) {
      finishReason = 'stop';
      break;
    }
    if (tokenIds.length === maxNewTokens) break;
    throwIfAborted(signal);
    token = await decoder.next({ tokenIds: [token], sampling, seed, signal });
  }
  if (stops.matched() === null) {
    write(stops.push(detokenizer.flush()).text);
    if (stops.matched() === null) write(stops.flush());
    else finishReason = 'stop';
  }

  const totalMs = performance.now() - request.startedMs;
  const decodeSeconds = (totalMs - firstTokenMs) / 1000;
  return {
    text,
    tokenIds,
    promptTokenIds: prompt.tokenIds,
    finishReason,
    stats: {
      promptTokens: promptLength,
      generatedTokens: tokenIds.length,
      firstTokenMs,
      totalMs,
      tokensPerSecond: tokenIds.length > 1 ? (tokenIds.length - 1) / decodeSeconds : 0,
      peakGpuBytes: parts.peakGpuBytes(),
      seed,
    },
  };
}

/** Encodes the pictures and runs the prompt; returns the first token. */
async function prefill(
  { decoder, imageEncoder }: AnswerParts,
  { prompt, sampling, seed, signal }: AnswerRequest,
): Promise<number> {
  const { tokenIds, imageIndex, pixelValues } = prompt;
  if (!imageEncoder || pixelValues.length === 0) return decoder.next({ tokenIds, sampling, seed, signal });
  const features = await imageEncoder.encode(pixelValues, signal);
  try {
    return await decoder.next({ tokenIds, images: { features, index: imageIndex }, sampling, seed, signal });
  } finally {
    features.dispose();
  }
}
