import { MAX_CHUNK } from '../decoder-inputs.ts';
import { passLength } from './paged-decoder.ts';

/** What decides which prompts can run in one pass. */
export interface WaitingPrompt {
  /** Tokens that the cache does not hold. */
  readonly tokens: number;
  /** Whether it holds none. */
  readonly begins: boolean;
  readonly hasPictures: boolean;
}

/** A pass with a quarter of its rows idle is taken rather than several smaller ones. */
const LEAST_FILL = 0.75;

/** Too long for one pass: it runs in chunks, by itself. */
export const isLong = ({ tokens }: Pick<WaitingPrompt, 'tokens'>): boolean => tokens > MAX_CHUNK;

/**
 * Those that run next, in one pass of at most MAX_CHUNK tokens: the first, and others alike, in the order they came.
 * `sizes` are the rows that passes may have.
 */
export function promptGroup<Prompt extends WaitingPrompt>(
  prompts: readonly Prompt[],
  sizes: readonly number[],
): readonly Prompt[] {
  const [first] = prompts;
  if (!first || isLong(first)) return prompts.slice(0, 1);
  const kindOf = (prompt: WaitingPrompt): string =>
    isLong(prompt) ? 'long' : `${passLength(prompt.tokens)} ${prompt.begins} ${prompt.hasPictures}`;
  const alike = prompts.filter((prompt) => kindOf(prompt) === kindOf(first));
  const size = sizes
    .filter((rows) => rows * passLength(first.tokens) <= MAX_CHUNK && alike.length >= LEAST_FILL * rows)
    .at(-1);
  return alike.slice(0, size ?? 1);
}
