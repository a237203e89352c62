import { describe, expect, it } from 'vitest';
import { replacePlaceholders } from '../../src/processors/placeholders.ts';

const write = (text: string, media: readonly string[], noun: 'image' | 'video' = 'image') =>
  replacePlaceholders(text, '<x>', media, noun, (medium, i) => `[${i}:${medium}]`);

describe('replacePlaceholders', () => {
  it('writes each medium where its placeholder stands', () => {
    expect(write('a<x>b<x>', ['p', 'q'])).toBe('a[0:p]b[1:q]');
    expect(write('<x><x>', ['p', 'q'])).toBe('[0:p][1:q]');
    expect(write('no media', [])).toBe('no media');
  });

  it('does not look for placeholders in what it writes', () => {
    expect(replacePlaceholders('<x>-<x>', '<x>', [1, 2], 'image', () => '<x><x>')).toBe('<x><x>-<x><x>');
  });

  it('names both numbers when placeholders and media differ', () => {
    expect(() => write('<x><x>', ['p'])).toThrow(
      'the prompt holds 2 image placeholders but 1 picture was given',
    );
    expect(() => write('<x>', ['p', 'q'])).toThrow(
      'the prompt holds 1 image placeholder but 2 pictures were given',
    );
    expect(() => write('', ['p'], 'video')).toThrow(
      'the prompt holds 0 video placeholders but 1 video was given',
    );
  });
});
