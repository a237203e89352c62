import { describe, expect, it } from 'vitest';
import { createStopStrings } from '../../src/text/stop-strings.ts';

/** What comes out of each piece, and in the end. */
function pass(stops: readonly string[], pieces: readonly string[]) {
  const matcher = createStopStrings(stops);
  const out: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = matcher.push(piece);
    out.push(text);
    if (stopped) return { out, matched: matcher.matched() };
  }
  return { out: [...out, matcher.flush()], matched: matcher.matched() };
}

describe('createStopStrings', () => {
  it('lets all text through when there is nothing to stop at', () => {
    expect(pass([], ['a', 'b'])).toEqual({ out: ['a', 'b', ''], matched: null });
  });

  it('cuts inside one piece and drops what follows', () => {
    expect(pass(['END'], ['one END two'])).toEqual({ out: ['one '], matched: 'END' });
  });

  it('finds a stop string across pieces and gives out none of it', () => {
    expect(pass(['\nUSER:'], ['fine', '\n', 'US', 'ER', ': no'])).toEqual({
      out: ['fine', '', '', '', ''],
      matched: '\nUSER:',
    });
  });

  it('releases what only looked like a stop string', () => {
    expect(pass(['\nUSER:'], ['a\nUS', 'A!'])).toEqual({ out: ['a', '\nUSA!', ''], matched: null });
  });

  it('releases at the end what was held back', () => {
    expect(pass(['stop'], ['a st'])).toEqual({ out: ['a ', 'st'], matched: null });
  });

  it('sees a match that begins inside a false start', () => {
    expect(pass(['aab'], ['a', 'a', 'a', 'b'])).toEqual({ out: ['', '', 'a', ''], matched: 'aab' });
  });

  it('takes the earliest, then the longest of several', () => {
    expect(pass(['two', 'one'], ['x one two'])).toEqual({ out: ['x '], matched: 'one' });
    expect(pass(['ab', 'abc'], ['xabc'])).toEqual({ out: ['x'], matched: 'abc' });
  });

  it('stops at once, though a longer stop string might be coming', () => {
    expect(pass(['END', 'END!'], ['END'])).toEqual({ out: [''], matched: 'END' });
  });

  it('says nothing more after a match', () => {
    const matcher = createStopStrings(['x']);
    matcher.push('ax');
    expect(matcher.push('more')).toEqual({ text: '', stopped: true });
    expect(matcher.flush()).toBe('');
  });

  it('equals a search of the whole text, however the text is cut', () => {
    const text = 'abaababcabcab';
    for (const stops of [['abc'], ['abab'], ['cab', 'bca'], ['zz']]) {
      const at = Math.min(...stops.map((stop) => (text.includes(stop) ? text.indexOf(stop) : text.length)));
      for (let size = 1; size <= text.length; size++) {
        const pieces = text.match(new RegExp(`.{1,${size}}`, 'g')) ?? [];
        expect(pass(stops, pieces).out.join(''), `${stops} by ${size}`).toBe(text.slice(0, at));
      }
    }
  });

  it('refuses an empty stop string', () => {
    expect(() => createStopStrings(['a', ''])).toThrow(/one of them is empty/);
  });
});
