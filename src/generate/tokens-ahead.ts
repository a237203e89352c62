import { invariant } from '../core/errors.ts';
import type { Decoder, DecoderInput, SubmittedToken } from './decoder.ts';

/**
 * The tokens of an answer, each pass submitted before the token it goes on from is read, so that the GPU does not wait for
 * this side. Where the answer ends is known one pass late, which `end` makes up for.
 */
export interface TokensAhead {
  /** Submits the pass behind the next token, unless the answer can have no more, and reads the token. Throws what its pass met. */
  take(): Promise<number>;
  /** Takes back the passes whose tokens nobody took, and waits for them. */
  end(): Promise<void>;
}

/** Passes under way: one that is read, one that the GPU goes on with meanwhile. */
const DEPTH = 2;

/** `first` is the pass over the prompt. */
export function createTokensAhead(
  decoder: Pick<Decoder, 'ahead' | 'takeBack'>,
  first: SubmittedToken,
  { sampling, seed }: Pick<DecoderInput, 'sampling' | 'seed'>,
  maxNewTokens: number,
): TokensAhead {
  const waiting: SubmittedToken[] = [];
  let submitted = 0;
  const add = (pass: SubmittedToken): void => {
    // Told by `take`; a pass that is taken back has nobody to tell.
    pass.token.catch(() => undefined);
    waiting.push(pass);
    submitted++;
  };
  add(first);
  return {
    async take() {
      while (waiting.length < DEPTH && submitted < maxNewTokens) {
        add(await decoder.ahead({ sampling, seed }));
      }
      const next = waiting.shift();
      invariant(next, 'a token is taken of an answer that can have no more');
      return next.token;
    },
    async end() {
      // The prompt stays, whatever came of its token.
      for (const pass of waiting) if (pass !== first) decoder.takeBack();
      await Promise.allSettled(waiting.splice(0).map(({ token }) => token));
    },
  };
}
