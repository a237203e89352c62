import { createDetokenizer } from '../text/detokenizer.ts';
import { createStopStrings } from '../text/stop-strings.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { GenerationResult } from './generation.ts';

/** An answer's text as its tokens come. */
export interface AnswerText {
  /** Tokens so far; what is pushed is appended. */
  readonly tokenIds: readonly number[];
  /** All text so far. */
  readonly text: string;
  /** Takes the next token. Gives the text that is final by it, and why the answer ends here; null where it goes on. */
  push(token: number): {
    readonly text: string;
    readonly finishReason: GenerationResult['finishReason'] | null;
  };
}

export interface AnswerEnd {
  readonly eosTokenIds: readonly number[];
  readonly stop: readonly string[];
  readonly maxNewTokens: number;
}

/** Throws InputError for an empty stop string. */
export function createAnswerText(tokenizer: Tokenizer, end: AnswerEnd): AnswerText {
  const detokenizer = createDetokenizer(tokenizer);
  const stops = createStopStrings(end.stop);
  const tokenIds: number[] = [];
  let text = '';
  return {
    tokenIds,
    get text() {
      return text;
    },
    push(token) {
      tokenIds.push(token);
      const ended = end.eosTokenIds.includes(token);
      const released = stops.push(ended ? '' : detokenizer.push(token));
      let piece = released.text;
      let finishReason: GenerationResult['finishReason'] | null = null;
      if (ended || released.stopped) finishReason = 'stop';
      else if (tokenIds.length >= end.maxNewTokens) finishReason = 'length';
      if (finishReason !== null && stops.matched() === null) {
        piece += stops.push(detokenizer.flush()).text;
        if (stops.matched() === null) piece += stops.flush();
        else finishReason = 'stop';
      }
      text += piece;
      return { text: piece, finishReason };
    },
  };
}
