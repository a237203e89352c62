import type { Message } from '../../text/messages.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { GenerationResult } from '../generation.ts';
import type { SamplingOptions } from '../generation-config.ts';

/** What one answer is made from. Sampling that is left out is as the checkpoint's generation_config.json says. */
export interface BatchRequest extends Partial<SamplingOptions> {
  /** The conversation. Asked for when the request's turn comes, so that pictures of those that wait take no memory. */
  readonly messages: () => Promise<readonly Message[]>;
  /** Those who wait take turns by client. */
  readonly client: string;
  readonly maxNewTokens?: number | undefined;
  readonly stop?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  /** Each token comes with its log probability and those of so many of the likeliest; absent for neither. */
  readonly topLogprobs?: number | undefined;
  /** Made when the request's turn comes: which tokens its answer may be of. */
  readonly constraint?: ((vocabulary: Vocabulary) => Promise<TokenConstraint>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Tokens that answers are made of. */
export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  /** Of the model's logits; the tokenizer may know fewer. */
  readonly size: number;
  readonly eosTokenIds: readonly number[];
}

/** Keeps one answer to a grammar. */
export interface TokenConstraint {
  /** A bit per token of the vocabulary, the lowest first: those that may come next. */
  allowed(): Int32Array;
  /** Takes the next token; `allowed` is about those after it before anything else runs. */
  take(token: number): Promise<void>;
  /** Frees what it holds. */
  dispose(): void;
}

/** A token with its log probability under the model, before temperature and the like. */
export interface ScoredToken {
  readonly id: number;
  readonly logprob: number;
}

export interface PickedToken extends ScoredToken {
  /** The likeliest tokens, the likeliest first. */
  readonly top: readonly ScoredToken[];
}

/** Some text of an answer, and the tokens since the piece before it where their probabilities were asked for. */
export interface AnswerPiece {
  readonly text: string;
  readonly tokens: readonly PickedToken[];
}

/** How full a batch is. */
export interface BatchLoad {
  /** Requests being answered, and how many can be at once. */
  readonly running: number;
  readonly slots: number;
  readonly waiting: number;
  /** Pages of the KV cache, and those that nobody holds. */
  readonly pages: number;
  readonly freePages: number;
}

/** How many requests a batch answers at once, and how long they may be. */
export interface BatchOptions {
  /** Requests answered at once; default 8. */
  readonly slots?: number | undefined;
  /** Tokens of one request, prompt and answer; default 4096, or the model's context where that is shorter. */
  readonly contextTokens?: number | undefined;
  /** Tokens that the KV cache holds of all; default what the slots may need, within 1 GiB. */
  readonly cacheTokens?: number | undefined;
}

/** Answers several requests at a time; those beyond `slots` wait. */
export interface AnswerBatch {
  readonly load: BatchLoad;
  /** Throws InputError for a prompt that does not fit, AbortError when the signal fires. */
  answer(request: BatchRequest, emit: (piece: AnswerPiece) => void): Promise<GenerationResult>;
  /** Those that wait or run end with AbortError; resolves when all is freed. */
  dispose(): Promise<void>;
}
