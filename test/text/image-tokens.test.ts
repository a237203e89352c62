import { describe, expect, it } from 'vitest';
import { countTokens, expandImageTokens, imageFeatureRows } from '../../src/text/image-tokens.ts';
import { imagesOf } from '../../src/text/messages.ts';

const IMAGE = 9;

describe('expandImageTokens', () => {
  it('repeats each placeholder by the features of its own picture', () => {
    expect(expandImageTokens([1, IMAGE, 2, IMAGE], IMAGE, [3, 1])).toEqual([
      1,
      IMAGE,
      IMAGE,
      IMAGE,
      2,
      IMAGE,
    ]);
    expect(expandImageTokens([1, 2], IMAGE, [])).toEqual([1, 2]);
  });

  it('names both numbers when placeholders and pictures differ', () => {
    expect(() => expandImageTokens([IMAGE, IMAGE], IMAGE, [4])).toThrow(
      'the prompt holds 2 image placeholders but 1 picture was given',
    );
    expect(() => expandImageTokens([1, IMAGE], IMAGE, [4, 4])).toThrow(
      'the prompt holds 1 image placeholder but 2 pictures were given',
    );
    expect(() => expandImageTokens([1], IMAGE, [4])).toThrow(
      'the prompt holds 0 image placeholders but 1 picture was given',
    );
  });
});

describe('imageFeatureRows', () => {
  it('numbers the image tokens in order and leaves text at -1', () => {
    expect(imageFeatureRows([1, IMAGE, IMAGE, 2, IMAGE], IMAGE, 3)).toEqual(Int32Array.of(-1, 0, 1, -1, 2));
  });

  it('names both numbers when tokens and features differ', () => {
    expect(() => imageFeatureRows([1, IMAGE, IMAGE], IMAGE, 576)).toThrow(
      'image tokens 2, image features 576',
    );
  });
});

it('countTokens counts one id', () => expect(countTokens([IMAGE, 1, IMAGE], IMAGE)).toBe(2));

it('imagesOf lists pictures in the order of their placeholders', () => {
  const messages = [
    { role: 'system', content: 'x' },
    {
      role: 'user',
      content: [
        { type: 'image', image: 'a' },
        { type: 'text', text: 't' },
      ],
    },
    { role: 'user', content: [{ type: 'image', image: 'b' }] },
  ] as const;
  expect(imagesOf(messages)).toEqual(['a', 'b']);
});
