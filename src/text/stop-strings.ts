import { InputError } from '../core/errors.ts';

/** Watches a stream of text for stop strings, and never lets out any part of one. */
export type StopStrings = {
  /** Returns the text that cannot belong to a stop string, and whether one was met; text after it is dropped. */
  readonly push: (text: string) => { readonly text: string; readonly stopped: boolean };
  /** Returns the held text when the stream ends without a stop string. */
  readonly flush: () => string;
  /** The stop string that was met, or null. */
  readonly matched: () => string | null;
};

/**
 * Stops at the first push that completes a stop string; of several in it, the earliest wins, then the longest.
 * A text that may be the beginning of a stop string is held back until the following text decides. Throws InputError for an empty stop string.
 */
export function createStopStrings(stopStrings: readonly string[]): StopStrings {
  if (stopStrings.includes('')) {
    throw new InputError('stop strings: one of them is empty; expected text to stop at. Leave it out.');
  }
  let held = '';
  let met: string | null = null;

  return {
    push(text) {
      if (met !== null) return { text: '', stopped: true };
      held += text;
      const match = earliestMatch(held, stopStrings);
      if (match) {
        met = match.stop;
        const before = held.slice(0, match.at);
        held = '';
        return { text: before, stopped: true };
      }
      const undecided = undecidedStart(held, stopStrings);
      const free = held.slice(0, undecided);
      held = held.slice(undecided);
      return { text: free, stopped: false };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
    matched: () => met,
  };
}

function earliestMatch(text: string, stopStrings: readonly string[]): { at: number; stop: string } | null {
  let best: { at: number; stop: string } | null = null;
  for (const stop of stopStrings) {
    const at = text.indexOf(stop);
    if (at < 0) continue;
    if (!best || at < best.at || (at === best.at && stop.length > best.stop.length)) best = { at, stop };
  }
  return best;
}

/** Where the text's longest ending that is a proper prefix of a stop string begins; its length when none does. */
function undecidedStart(text: string, stopStrings: readonly string[]): number {
  const longest = Math.max(0, ...stopStrings.map((stop) => stop.length - 1));
  for (let at = Math.max(0, text.length - longest); at < text.length; at++) {
    const ending = text.slice(at);
    if (stopStrings.some((stop) => stop.length > ending.length && stop.startsWith(ending))) return at;
  }
  return text.length;
}
