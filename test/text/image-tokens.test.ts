import { describe, expect, it } from 'vitest';
import { countTokens, imageFeatureRows } from '../../src/text/image-tokens.ts';
import { mediaOf } from '../../src/text/messages.ts';

const IMAGE = 9;

describe('imageFeatureRows', () => {
  it('numbers the image tokens in order and leaves text at -1', () => {
    expect(imageFeatureRows([1, IMAGE, IMAGE, 2, IMAGE], [{ tokenId: IMAGE, count: 3 }])).toEqual(
      Int32Array.of(-1, 0, 1, -1, 2),
    );
  });

  it('meets the rows of pictures and videos each at their own tokens', () => {
    const VIDEO = 8;
    const media = [
      { tokenId: IMAGE, count: 1 },
      { tokenId: VIDEO, count: 2 },
      { tokenId: IMAGE, count: 2 },
    ];
    expect(imageFeatureRows([VIDEO, IMAGE, IMAGE, VIDEO, 5, IMAGE], media)).toEqual(
      Int32Array.of(1, 0, 3, 2, -1, 4),
    );
  });

  it('names both numbers when tokens and features differ', () => {
    expect(() => imageFeatureRows([1, IMAGE, IMAGE], [{ tokenId: IMAGE, count: 576 }])).toThrow(
      'image tokens 2, image features 576',
    );
  });
});

it('countTokens counts one id', () => expect(countTokens([IMAGE, 1, IMAGE], IMAGE)).toBe(2));

it('mediaOf lists pictures and videos in the order of their placeholders', () => {
  const messages = [
    { role: 'system', content: 'x' },
    {
      role: 'user',
      content: [
        { type: 'image', image: 'a' },
        { type: 'text', text: 't' },
      ],
    },
    { role: 'user', content: [{ type: 'video', video: 'b' }] },
  ] as const;
  expect(mediaOf(messages)).toEqual([
    { type: 'image', image: 'a' },
    { type: 'video', video: 'b' },
  ]);
});
