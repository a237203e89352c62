import type { AnswerPiece, PickedToken, ScoredToken } from '../generate/batch/batch.ts';
import type { GenerationResult } from '../generate/generation.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** What all parts of one answer have in common. */
export interface ChatIdentity {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
}

export const usageOf = ({ stats }: GenerationResult) => ({
  prompt_tokens: stats.promptTokens,
  completion_tokens: stats.generatedTokens,
  total_tokens: stats.promptTokens + stats.generatedTokens,
  prompt_tokens_details: { cached_tokens: stats.reusedTokens },
});

/** The whole answer. */
export const chatCompletion = (
  identity: ChatIdentity,
  result: GenerationResult,
  tokens: readonly PickedToken[] | undefined,
  tokenizer: Tokenizer,
) => ({
  ...identity,
  object: 'chat.completion' as const,
  choices: [
    {
      index: 0,
      message: { role: 'assistant' as const, content: result.text, refusal: null },
      logprobs: tokens ? logprobsOf(tokens, tokenizer) : null,
      finish_reason: result.finishReason,
    },
  ],
  usage: usageOf(result),
});

/** One server-sent event of a streamed answer. */
const chunk = (
  identity: ChatIdentity,
  delta: { readonly role?: 'assistant'; readonly content?: string },
  finishReason: GenerationResult['finishReason'] | null,
  logprobs: ReturnType<typeof logprobsOf> | null,
) => ({
  ...identity,
  object: 'chat.completion.chunk' as const,
  choices: [{ index: 0, delta, logprobs, finish_reason: finishReason }],
});

export const firstChunk = (identity: ChatIdentity) =>
  chunk(identity, { role: 'assistant', content: '' }, null, null);

export const pieceChunk = (
  identity: ChatIdentity,
  { text, tokens }: AnswerPiece,
  tokenizer: Tokenizer,
  wantsLogprobs: boolean,
) => chunk(identity, { content: text }, null, wantsLogprobs ? logprobsOf(tokens, tokenizer) : null);

export const lastChunk = (identity: ChatIdentity, { finishReason }: GenerationResult) =>
  chunk(identity, {}, finishReason, null);

export const usageChunk = (identity: ChatIdentity, result: GenerationResult) => ({
  ...identity,
  object: 'chat.completion.chunk' as const,
  choices: [],
  usage: usageOf(result),
});

/** JSON has no infinities: the least log probability that the API gives. */
const LEAST_LOGPROB = -9999;

function logprobsOf(tokens: readonly PickedToken[], tokenizer: Tokenizer) {
  const decode = (ids: readonly number[]): string =>
    tokenizer.decode(ids, { skipSpecialTokens: false, cleanUp: false });
  const textOf = ({ id, logprob }: ScoredToken) => {
    // Behind another token: some tokenizers drop the space that a text begins with.
    const token = decode([id, id]).slice(decode([id]).length);
    return {
      token,
      logprob: Math.max(logprob, LEAST_LOGPROB),
      bytes: [...new TextEncoder().encode(token)],
    };
  };
  return {
    content: tokens.map((token) => ({ ...textOf(token), top_logprobs: token.top.map(textOf) })),
    refusal: null,
  };
}
