import { invariant } from '../core/errors.ts';
import type { Decoder, DecoderInput, SubmittedToken } from './decoder.ts';

/**
 * The tokens after an answer's first, each pass submitted before the token it goes on from is read, so that the GPU does
 * not wait for this side. Where the answer ends is known one pass late, which `end` makes up for.
 */
export interface TokensAhead {
  /** Submits the next pass, and the one after it, unless the answer can have no more tokens. */
  submit(): Promise<void>;
  /** The next token. Throws what its pass met. */
  take(): Promise<number>;
  /** Takes back the passes whose tokens nobody took, and waits for them. */
  end(): Promise<void>;
}

/** Passes under way: one that is read, one that the GPU goes on with meanwhile. */
const DEPTH = 2;

export function createTokensAhead(
  decoder: Pick<Decoder, 'ahead' | 'takeBack'>,
  { sampling, seed }: Pick<DecoderInput, 'sampling' | 'seed'>,
  maxNewTokens: number,
): TokensAhead {
  const waiting: SubmittedToken[] = [];
  // The first token comes from the prompt.
  let submitted = 1;
  return {
    async submit() {
      while (waiting.length < DEPTH && submitted < maxNewTokens) {
        const pass = await decoder.ahead({ sampling, seed });
        // Told by `take`; a pass that is taken back has nobody to tell.
        pass.token.catch(() => undefined);
        waiting.push(pass);
        submitted++;
      }
    },
    async take() {
      const next = waiting.shift();
      invariant(next, 'a token is taken that was not submitted');
      return next.token;
    },
    async end() {
      for (const _ of waiting) decoder.takeBack();
      await Promise.allSettled(waiting.splice(0).map(({ token }) => token));
    },
  };
}
