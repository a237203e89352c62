import { describe, expect, test } from 'vitest';
import type { Picture } from '../../src/image/picture.ts';
import { numberInWords } from '../../src/processors/number-words.ts';
import type { ProcessedMedium } from '../../src/processors/processor.ts';
import { smolVlmProcessor } from '../../src/processors/smolvlm.ts';
import { levelHash, pattern, pictureMedium, sourcesOf, tilesOf } from './tiling-sources.ts';
import tilings from './tilings.json' with { type: 'json' };

const PATCH = 2;

interface Options {
  readonly modelType?: string;
  readonly side?: number;
  readonly imageSeqLen?: number;
  readonly scaleFactor?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** A processor of tiles of `side` pixels, whose patches the connector joins by `scaleFactor`. */
function processorOf({
  modelType = 'smolvlm',
  side = 8,
  scaleFactor = 1,
  imageSeqLen,
  fields,
}: Options = {}) {
  return smolVlmProcessor(
    sourcesOf({
      config: {
        model_type: modelType,
        image_token_id: 1,
        scale_factor: scaleFactor,
        text_config: { hidden_size: 8, num_attention_heads: 2 },
        vision_config: { hidden_size: 8, num_attention_heads: 2, image_size: 8, patch_size: PATCH },
      },
      imageProcessor: { size: { longest_edge: 24 }, max_image_size: { longest_edge: side }, ...fields },
      processor: { image_seq_len: imageSeqLen ?? (side / PATCH / scaleFactor) ** 2 },
    }),
  );
}

const RAW = { do_rescale: false, do_normalize: false };

function processOne(picture: Picture, options: Options = {}): ProcessedMedium {
  const [medium] = processorOf({ ...options, fields: { ...RAW, ...options.fields } }).process([
    pictureMedium(picture),
  ]);
  if (!medium) throw new Error('one picture gives one medium');
  return medium;
}

describe('pictures cut as the reference cuts them', () => {
  const recorded = tilings.tilings.filter(({ grid }) => grid !== undefined);

  test.each(recorded.map((entry, i) => [i, entry] as const))('tiling %i', async (_i, entry) => {
    const [height = 0, width = 0] = entry.size;
    const { modelType, config } = entry;
    const side = config.max_image_size?.longest_edge ?? 0;
    const medium = processOne(pattern(width, height), { modelType, side, fields: config });
    const [rows = 0, columns = 0] = entry.grid ?? [];
    expect(medium.layout.tileGrid ?? [0, 0]).toEqual([rows, columns]);
    expect([medium.layout.tiles, ...medium.layout.tile.shape]).toEqual(entry.tiles);
    expect(medium.layout.tokens).toBe(medium.layout.tiles * (side / PATCH) ** 2);
    expect(await levelHash(medium)).toBe(entry.sha256);
  });

  test('there are enough of them, cut and whole', () => {
    expect(recorded.length).toBeGreaterThan(30);
    expect(recorded.filter(({ grid }) => grid?.[0] === 0).length).toBeGreaterThan(3);
  });
});

test('the longest edge is scaled up too', () => {
  const { layout } = processOne(pattern(6, 3)); // to 24 x 12, then to 24 x 16
  expect(layout).toMatchObject({ tileGrid: [2, 3], tiles: 7 });
});

test('the whole picture comes last, and only there', async () => {
  const picture = pattern(24, 8);
  const tiles = await tilesOf(processOne(picture));
  expect(tiles).toHaveLength(4);
  const [whole] = await tilesOf(processOne(picture, { fields: { do_image_splitting: false } }));
  const isWhole = (tile: Float32Array): boolean => tile.every((value, i) => value === whole?.[i]);
  expect(tiles.map(isWhole)).toEqual([false, false, false, true]);
});

test('text: the place of each tile, a line per row, the whole behind an empty line', () => {
  const processor = processorOf({ scaleFactor: 4, imageSeqLen: 1 });
  const [wide, square] = processor.process([pattern(24, 16), pattern(8, 8)].map(pictureMedium));
  if (!wide || !square) throw new Error('two pictures give two media');
  const at = (place: string) => `<fake_token_around_image><${place}><image>`;
  const cut =
    `${at('row_1_col_1')}${at('row_1_col_2')}${at('row_1_col_3')}\n` +
    `${at('row_2_col_1')}${at('row_2_col_2')}${at('row_2_col_3')}\n` +
    `\n${at('global-img')}<fake_token_around_image>`;
  expect(processor.expand('a<image>b', [wide])).toBe(`a${cut}b`);
  const [small] = processorOf({
    scaleFactor: 4,
    imageSeqLen: 1,
    fields: { do_image_splitting: false },
  }).process([pictureMedium(pattern(24, 16))]);
  if (!small) throw new Error('one picture gives one medium');
  expect(processor.expand('<image>', [small])).toBe(`${at('global-img')}<fake_token_around_image>`);
});

describe('what does not fit is refused with numbers', () => {
  test('a token count that is not the tower’s', () => {
    expect(() => processorOf({ imageSeqLen: 169 })).toThrow(
      'image_seq_len is 169, but a tile of 8x8 pixels gives 16 image features',
    );
  });

  test('tiles whose patches the connector cannot join', () => {
    expect(() => processorOf({ side: 12, scaleFactor: 4, imageSeqLen: 1 })).toThrow(
      'max_image_size 12 makes tiles of 6 patches a side, which scale_factor 4 of config.json does not divide',
    );
  });

  test('a tower whose own patches the connector cannot join', () => {
    expect(() => processorOf({ scaleFactor: 3 })).toThrow(
      'scale_factor 3 does not divide the 4 patches along a side of 8 pixels',
    );
  });

  test('edges beyond reason', () => {
    expect(() => processorOf({ fields: { size: { longest_edge: 1e6 } } })).toThrow(
      '"longest_edge" is 1000000; expected at most 16384 pixels',
    );
  });
});

test('counts in words, as num2words writes them', () => {
  const words: readonly (readonly [number, string])[] = [
    [1, 'one'],
    [13, 'thirteen'],
    [40, 'forty'],
    [64, 'sixty-four'],
    [100, 'one hundred'],
    [118, 'one hundred and eighteen'],
    [999, 'nine hundred and ninety-nine'],
    [1000, 'one thousand'],
    [1005, 'one thousand and five'],
    [1234, 'one thousand, two hundred and thirty-four'],
    [20_000, 'twenty thousand'],
  ];
  for (const [count, text] of words) expect(numberInWords(count)).toBe(text);
});
