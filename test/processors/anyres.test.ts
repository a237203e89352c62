import { describe, expect, test } from 'vitest';
import { shrunk } from '../../src/models/llava-next/anyres.ts';
import { llavaNextProcessor } from '../../src/processors/llava-next.ts';
import { llavaOnevisionProcessor } from '../../src/processors/llava-onevision.ts';
import { pictureClip } from '../../src/processors/picture-clip.ts';
import type { ProcessedMedium, Processor } from '../../src/processors/processor.ts';
import { levelHash, pattern, pictureMedium, sourcesOf, tilesOf } from './tiling-sources.ts';
import tilings from './tilings.json' with { type: 'json' };

const PATCH = 4;
const RAW = { do_rescale: false, do_normalize: false };
const TEXT = { model_type: 'llama', hidden_size: 8, num_attention_heads: 2 };

type Json = Readonly<Record<string, unknown>>;

interface Options {
  readonly modelType?: string;
  /** Pixels of a tile. */
  readonly side?: number;
  readonly imageProcessor?: Json;
  readonly config?: Json;
  readonly processor?: Json;
}

/** A processor of tiles of `side` pixels for one of the three families. */
function processorOf({
  modelType = 'llava_next',
  side = 8,
  imageProcessor = {},
  config = {},
  processor = {},
}: Options = {}): Processor {
  const isOnevision = modelType === 'llava_onevision';
  const pinpoints = imageProcessor.image_grid_pinpoints ?? [
    [side, 2 * side],
    [2 * side, side],
    [2 * side, 2 * side],
  ];
  const size = isOnevision
    ? { size: { height: side, width: side } }
    : { size: { shortest_edge: side }, crop_size: { height: side, width: side } };
  const own = isOnevision
    ? { num_image_tokens: (side / PATCH) ** 2, vision_feature_select_strategy: 'full' }
    : { patch_size: PATCH, num_additional_image_tokens: 1, vision_feature_select_strategy: 'default' };
  const sources = sourcesOf({
    config: {
      model_type: modelType,
      image_token_index: 1,
      video_token_index: 2,
      text_config: TEXT,
      vision_config: { hidden_size: 8, num_attention_heads: 2, image_size: side, patch_size: PATCH },
      image_grid_pinpoints: pinpoints,
      ...config,
    },
    imageProcessor: { ...size, image_grid_pinpoints: pinpoints, ...RAW, ...imageProcessor },
    processor: { ...own, ...processor },
  });
  return isOnevision ? llavaOnevisionProcessor(sources) : llavaNextProcessor(sources);
}

function first(media: readonly ProcessedMedium[]): ProcessedMedium {
  const [medium] = media;
  if (!medium) throw new Error('one picture gives one medium');
  return medium;
}

describe('pictures tiled as the reference tiles them', () => {
  const recorded = tilings.tilings.filter(({ tokens }) => tokens !== undefined);

  test.each(recorded.map((entry, i) => [i, entry] as const))('tiling %i', async (_i, entry) => {
    const [height = 0, width = 0] = entry.size;
    const { modelType, config: imageProcessor, aspectRatio, together } = entry;
    const aspect = aspectRatio ? { vision_aspect_ratio: aspectRatio } : {};
    const side = entry.tiles[2] ?? 0;
    const processor = processorOf({ modelType, side, imageProcessor, config: aspect, processor: aspect });
    const picture = pattern(width, height);
    const { layout, ...medium } = first(
      processor.process((together ? [picture, picture] : [picture]).map(pictureMedium)),
    );
    expect([layout.tiles, ...layout.tile.shape]).toEqual(entry.tiles);
    expect(layout.tokens).toBe(entry.tokens);
    expect(layout.imageSize).toEqual([height, width]);
    expect(await levelHash({ layout, ...medium })).toBe(entry.sha256);
  });

  test('there are enough of them, cut, whole and shrunk', () => {
    expect(recorded.length).toBeGreaterThan(50);
    expect(recorded.filter(({ together }) => together).length).toBeGreaterThan(5);
    const isShrunk = ({ tokens = 0, tiles: [tiles = 0, , edge = 0] }: (typeof recorded)[number]): boolean =>
      tiles > 3 && tokens < 2 * (edge / PATCH) ** 2 + edge / PATCH;
    expect(recorded.filter(isShrunk).length).toBeGreaterThan(3);
  });
});

describe('several pictures in OneVision', () => {
  const pictures = [pattern(20, 9), pattern(16, 16)].map(pictureMedium);
  const tokensOf = (imageProcessor: Json): number[] =>
    processorOf({ modelType: 'llava_onevision', imageProcessor })
      .process(pictures)
      .map(({ layout }) => layout.tokens);

  test('of one conversation are seen whole: four features and a newline each', () => {
    expect(tokensOf({})).toEqual([5, 5]);
  });

  test('are tiled where batch_num_images says that each is alone', () => {
    expect(tokensOf({ batch_num_images: [1, 1] })).toEqual([4 + 2 * 5, 4 + 4 * 5]);
  });

  test('must be as many as batch_num_images counts', () => {
    expect(() => tokensOf({ batch_num_images: [1, 2] })).toThrow(
      'batch_num_images is 1, 2 for 2 pictures; expected counts that add up to them',
    );
  });

  test('LLaVA-NeXT tiles each', () => {
    const tokens = processorOf()
      .process(pictures)
      .map(({ layout }) => layout.tokens);
    expect(tokens).toEqual([4 + 2 * 5, 4 + 4 * 5]);
  });
});

test('the whole picture comes first, and only there', async () => {
  const picture = pattern(16, 16);
  const tiles = await tilesOf(first(processorOf().process([pictureMedium(picture)])));
  const together = processorOf({ modelType: 'llava_onevision' }).process(
    [picture, picture].map(pictureMedium),
  );
  const [whole] = await tilesOf(first(together));
  const isWhole = (tile: Float32Array): boolean => tile.every((value, i) => value === whole?.[i]);
  expect(tiles.map(isWhole)).toEqual([true, false, false, false, false]);
});

test('what each tile shows of the picture, padding beyond its edges', () => {
  // 16 by 6 goes to 8 by 16 pixels as it is, one row of black above and below.
  const { areas } = first(processorOf().process([pictureMedium(pattern(16, 6))]));
  expect(areas).toEqual([
    [0, 0, 1, 1],
    [0, -1 / 6, 0.5, 7 / 6],
    [0.5, -1 / 6, 1, 7 / 6],
  ]);
});

describe('videos', () => {
  const clip = pictureClip(
    Array.from({ length: 6 }, (_, i) => pattern(12 + i, 9)),
    2,
  );
  const layoutOf = (modelType: string, sampling = {}) =>
    first(processorOf({ modelType }).process([{ kind: 'video', key: null, video: clip, sampling }]));

  test('NeXT-Video: a quarter of each frame’s features; OneVision: as many and a newline', () => {
    expect(layoutOf('llava_next_video').layout).toMatchObject({ tiles: 6, tokens: 6 });
    expect(layoutOf('llava_onevision').layout).toMatchObject({ tiles: 6, tokens: 7 });
    expect(() => layoutOf('llava_next')).toThrow('a video was given to a model of still pictures');
  });

  test('all frames, or those asked for', () => {
    expect(layoutOf('llava_onevision').tileSeconds).toEqual([0, 0.5, 1, 1.5, 2, 2.5]);
    expect(layoutOf('llava_onevision', { numFrames: 4 }).tileSeconds).toEqual([0, 0.5, 1.5, 2]);
    expect(layoutOf('llava_onevision', { fps: 1 }).tileSeconds).toEqual([0, 1, 2]);
    expect(() => layoutOf('llava_onevision', { numFrames: 7 })).toThrow('7 frames are asked of 6');
  });

  test('pictures and videos take the places of their own tokens', () => {
    const processor = processorOf({ modelType: 'llava_next_video' });
    const media = processor.process([
      { kind: 'video', key: null, video: clip, sampling: { numFrames: 2 } },
      pictureMedium(pattern(8, 16)),
    ]);
    const text = processor.expand('a<image>b<video>', media);
    expect(text).toBe(`a${'<image>'.repeat(4 + 4 * 3)}b<video><video>`);
  });
});

describe('what does not fit is refused with numbers', () => {
  const next = (options: Options) => () => processorOf(options).process([pictureMedium(pattern(20, 9))]);

  test.each<[string, Options, string]>([
    [
      'no pinpoints',
      { imageProcessor: { image_grid_pinpoints: [] }, config: { image_grid_pinpoints: [[8, 16]] } },
      'preprocessor_config.json: "image_grid_pinpoints" is []; expected one [height, width] or more',
    ],
    [
      'pinpoints that are no sizes',
      { config: { image_grid_pinpoints: [[8, 8, 8]] } },
      'config.json: "image_grid_pinpoints" is [[8,8,8]]; expected one [height, width] or more',
    ],
    [
      'pinpoints that differ',
      { config: { image_grid_pinpoints: [[16, 8]] } },
      'a picture of 9x20 becomes 1x2 tiles by preprocessor_config.json and 2x1 by config.json',
    ],
    [
      'pinpoints that are not made of tiles',
      { imageProcessor: { image_grid_pinpoints: [[8, 20]] } },
      'image_grid_pinpoints: 8x20 is not made of tiles of 8 pixels',
    ],
    [
      'tiles of another size than the tower’s',
      { imageProcessor: { crop_size: { height: 12, width: 12 } } },
      'cut tiles of 12 pixels, the vision tower takes 8',
    ],
    [
      'tokens of other patches',
      { processor: { patch_size: 2 } },
      'make 52 image tokens of a picture of 9x20, but the model packs 14 image features',
    ],
    [
      'tokens with a class token that is dropped',
      { processor: { num_additional_image_tokens: 0 } },
      'make 13 image tokens of a picture of 9x20, but the model packs 14 image features',
    ],
    [
      'OneVision’s tokens per tile',
      { modelType: 'llava_onevision', processor: { num_image_tokens: 9 } },
      'make 30 image tokens of a picture of 9x20, but the model packs 14 image features',
    ],
    [
      'another number of tiles to shrink to',
      {
        modelType: 'llava_onevision',
        imageProcessor: { image_grid_pinpoints: [[16, 16]] },
        processor: { vision_aspect_ratio: 'anyres_max_1' },
        config: { vision_aspect_ratio: 'anyres_max_4' },
      },
      'image tokens of a picture of 9x20, but the model packs',
    ],
    [
      'a shape of shrinking that is not known',
      { modelType: 'llava_onevision', config: { vision_aspect_ratio: 'pad' } },
      '"vision_aspect_ratio" is "pad"; expected "anyres_max_" and a number',
    ],
    [
      'CLIP’s class token among the patches',
      { config: { vision_feature_select_strategy: 'full' } },
      'vision_feature_select_strategy "full" takes 5 features of a clip tower of 2x2 patches; expected 4',
    ],
    [
      'a patch dropped where there is no class token',
      { modelType: 'llava_onevision', config: { vision_feature_select_strategy: 'default' } },
      'vision_feature_select_strategy "default" takes 3 features of a siglip tower of 2x2 patches; expected 4',
    ],
  ])('%s', (_name, options, message) => {
    expect(next(options)).toThrow(message);
  });

  test('a sliver that shrinks to nothing', () => {
    expect(() => shrunk([1, 40], 1, 4)).toThrow(
      'its 1x40 features would be shrunk to 0x25; expected one row and column at least',
    );
    expect(shrunk([1, 16], 1, 4)).toEqual([1, 16]);
  });
});
