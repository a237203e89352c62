import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { roundHalfEven } from '../../src/core/round-half-even.ts';
import { createPicture, type Picture } from '../../src/image/picture.ts';
import { pictureClip } from '../../src/processors/picture-clip.ts';
import type { FrameSampling, Medium, ProcessedMedium } from '../../src/processors/processor.ts';
import { toTenths } from '../../src/processors/qwen-vl/qwen3-vl.ts';
import { smartResize, smartResizeVideo } from '../../src/processors/qwen-vl/smart-resize.ts';
import { createProcessor } from '../../src/processors/registry.ts';
import recorded from './qwen-vl-inputs.json' with { type: 'json' };
import { pattern, pictureMedium, sourcesOf, tilesOf } from './tiling-sources.ts';

type Json = Readonly<Record<string, unknown>>;

interface Options {
  readonly modelType?: string;
  readonly patches?: {
    readonly patch_size: number;
    readonly merge_size: number;
    readonly temporal_patch_size: number;
  };
  readonly imageProcessor?: Json;
  readonly videoProcessor?: Json | undefined;
  readonly vision?: Json;
}

const PATCHES = { patch_size: 4, merge_size: 2, temporal_patch_size: 2 };

/** A processor whose tower takes the patches it cuts. */
function processorOf({ modelType = 'qwen2_vl', patches = PATCHES, ...options }: Options = {}) {
  const { imageProcessor = patches, videoProcessor, vision } = options;
  return createProcessor(
    sourcesOf({
      config: {
        model_type: modelType,
        image_token_id: 1,
        video_token_id: 2,
        text_config: {
          hidden_size: 8,
          num_attention_heads: 1,
          num_key_value_heads: 1,
          head_dim: 8,
          rope_parameters: { rope_type: 'default', mrope_section: [2, 1, 1] },
        },
        vision_config: {
          patch_size: patches.patch_size,
          spatial_merge_size: patches.merge_size,
          temporal_patch_size: patches.temporal_patch_size,
          embed_dim: 4,
          hidden_size: 8,
          out_hidden_size: 8,
          num_heads: 1,
          tokens_per_second: 5,
          ...vision,
        },
      },
      imageProcessor,
      ...(videoProcessor ? { videoProcessor } : {}),
      processor: {},
    }),
  );
}

/** Frames as qwen-vl-inputs.py draws them. */
function clipOf(size: readonly number[], frames: number, fps: number | null): Medium {
  const [width = 0, height = 0] = size;
  const first = pattern(width, height);
  const pictures = Array.from({ length: frames }, (_, frame) =>
    createPicture(
      width,
      height,
      first.data.map((value) => value + frame * 29),
    ),
  );
  return { kind: 'video', key: null, video: pictureClip(pictures, fps), sampling: {} };
}

async function hashOf(arrays: readonly (Float32Array | Int32Array)[]): Promise<string> {
  const hash = createHash('sha256');
  for (const array of arrays) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest('hex');
}

const gridOf = ({ layout }: ProcessedMedium): number[] => [layout.tiles, ...(layout.tile.grid ?? [])];
const idsOf = (text: string): number[] =>
  (text.match(/<image>|<video>|./g) ?? []).map((token) => ({ '<image>': 1, '<video>': 2 })[token] ?? 0);

describe('inputs are those of the reference', () => {
  test('there are some of every family', () => {
    for (const family of ['qwen2_vl', 'qwen2_5_vl', 'qwen3_vl'])
      expect(recorded.inputs.filter(({ modelType }) => modelType === family)).toHaveLength(16);
  });

  test.each(recorded.inputs.map((input, i) => [i, input.modelType, input] as const))(
    'input %i, %s',
    async (_i, _family, input) => {
      const { video } = input;
      const [width = 0, height = 0] = input.picture;
      const processor = processorOf(input);
      const media = processor.process([
        clipOf(video.size, video.frames, video.fps),
        pictureMedium(pattern(width, height)),
      ]);
      const [clip, picture] = media;
      if (!clip || !picture) throw new Error('two media give two');
      expect(gridOf(picture)).toEqual(input.imageGrid);
      expect(gridOf(clip)).toEqual(input.videoGrid);
      expect(await hashOf(await tilesOf(picture))).toBe(input.imageValues);
      expect(await hashOf(await tilesOf(clip))).toBe(input.videoValues);

      const text = processor.expand('Here <video> and <image> are.', media);
      const counted = text.replace(/(<image>|<video>)+/g, ({ length }) => `{${length / '<image>'.length}}`);
      expect(counted).toBe(input.text);
      const ids = idsOf(text);
      const positions = processor.positions?.(ids, media);
      expect(await hashOf(positions?.axes ?? [])).toBe(input.positions);
      expect((positions?.next ?? 0) - ids.length).toBe(input.delta);
    },
  );
});

describe('pictures of any size', () => {
  const limits = { minPixels: 64, maxPixels: 6400 };

  test('halves go to the even multiple, as in Python', () => {
    expect([0.5, 1.5, 2.5, 3.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3]);
    expect(smartResize({ height: 20, width: 28 }, 8, limits)).toEqual({ height: 16, width: 32 });
  });

  test('edges stay under the most and over the least pixels', () => {
    expect(smartResize({ height: 400, width: 100 }, 8, limits)).toEqual({ height: 160, width: 40 });
    expect(smartResize({ height: 3, width: 5 }, 8, { ...limits, minPixels: 256 })).toEqual({
      height: 16,
      width: 24,
    });
  });

  test('an absurd aspect ratio is refused, and what is just not absurd is not', () => {
    expect(() => smartResize({ height: 1, width: 201 }, 8, limits)).toThrow(
      'picture: 201x1 has an aspect ratio of 201.0; expected at most 200. Crop it first.',
    );
    expect(smartResize({ height: 1, width: 200 }, 8, limits)).toEqual({ height: 8, width: 120 });
  });

  test('a Qwen3-VL video is bounded as a whole, and must fill a temporal patch', () => {
    const size = { height: 40, width: 40 };
    expect(smartResizeVideo(size, 4, 2, 8, { minPixels: 1, maxPixels: 6400 })).toEqual(size);
    expect(smartResizeVideo(size, 8, 2, 8, { minPixels: 1, maxPixels: 6400 })).toEqual({
      height: 24,
      width: 24,
    });
    expect(() => smartResizeVideo(size, 1, 2, 8, limits)).toThrow('it has 1 frames; expected at least 2');
  });

  test('a picture that must not be resized is whole merged patches, or refused', () => {
    const processor = processorOf({ imageProcessor: { ...PATCHES, do_resize: false } });
    const layoutOf = (picture: Picture) => processor.process([pictureMedium(picture)])[0]?.layout;
    expect(layoutOf(pattern(24, 16))).toMatchObject({ tile: { grid: [4, 6] }, tokens: 6 });
    expect(() => layoutOf(pattern(20, 16))).toThrow('20x16 is not to be resized');
  });

  test('a still picture is its own second frame', async () => {
    const [medium] = processorOf().process([pictureMedium(pattern(64, 64))]);
    const [pixels = new Float32Array()] = medium ? await tilesOf(medium) : [];
    for (let patch = 0; patch < pixels.length; patch += 32) {
      expect(pixels.subarray(patch, patch + 16)).toEqual(pixels.subarray(patch + 16, patch + 32));
    }
  });
});

describe('videos', () => {
  const settings = { ...PATCHES, size: { shortest_edge: 64, longest_edge: 6400 } };

  test('an odd number of frames ends with the last one twice', async () => {
    const processor = processorOf({ imageProcessor: settings });
    const tilesOfVideo = async (frames: number) => {
      const [medium] = processor.process([clipOf([16, 16], frames, 2)]);
      return medium ? tilesOf(medium) : [];
    };
    const [odd, even] = [await tilesOfVideo(3), await tilesOfVideo(4)];
    expect(odd).toHaveLength(2);
    expect(odd[0]).toEqual(even[0]);
    expect(odd[1]).not.toEqual(even[1]);
    const patches = odd[1] ?? new Float32Array();
    expect(patches.subarray(0, 16)).toEqual(patches.subarray(16, 32));
  });

  test('a caller may ask for a number of frames, or for so many a second', () => {
    const processor = processorOf({ imageProcessor: settings });
    const tiles = (sampling: FrameSampling) => {
      const clip = clipOf([16, 16], 12, 6);
      return processor.process([clip.kind === 'video' ? { ...clip, sampling } : clip])[0]?.layout.tiles;
    };
    expect(tiles({})).toBe(6);
    expect(tiles({ numFrames: 8 })).toBe(4);
    expect(tiles({ fps: 3 })).toBe(3);
    expect(() => tiles({ numFrames: 14 })).toThrow('14 frames are asked of 12');
  });

  test('pictures in a row have no time: no rate in Qwen2-VL, 24 a second in Qwen3-VL', () => {
    const clip = clipOf([16, 16], 4, null);
    const rated = { ...settings, do_sample_frames: true, fps: 2 };
    expect(() => processorOf({ videoProcessor: rated }).process([clip])).toThrow(
      '2 frames per second are asked of a list of pictures, which has no time',
    );
    const qwen3 = processorOf({ modelType: 'qwen3_vl', videoProcessor: settings });
    const media = qwen3.process([clip]);
    expect(qwen3.expand('<video>', media)).toContain('<0.0 seconds><|vision_start|><video>');
    expect(media[0]?.tileSeconds).toEqual([(0 / 24 + 1 / 24) / 2, (2 / 24 + 3 / 24) / 2]);
  });

  test('frames of two sizes are refused', async () => {
    const video = pictureClip([pattern(16, 16), pattern(24, 16)], 2);
    const [medium] = processorOf({ imageProcessor: settings }).process([
      { kind: 'video', key: null, video, sampling: {} },
    ]);
    await expect(medium && tilesOf(medium)).rejects.toThrow('a frame is 24x16, the first one 16x16');
  });

  test('tenths of a second as Python writes them', () => {
    expect([0.25, 0.35, 0.75, 1.25, 2, 10.05].map(toTenths)).toEqual([
      '0.2',
      '0.3',
      '0.8',
      '1.2',
      '2.0',
      '10.1',
    ]);
  });
});

describe('positions', () => {
  /** Two slices, ten seconds apart, of one token. */
  const place = (modelType: string, imageProcessor: Json = {}) => {
    const processor = processorOf({
      modelType,
      imageProcessor: { ...PATCHES, size: { shortest_edge: 64, longest_edge: 64 }, ...imageProcessor },
    });
    const media = processor.process([clipOf([8, 8], 4, 1)]);
    return processor.positions?.([0, 2, 2, 0, 0], media);
  };

  test('count on behind a video at its longer side in 5.x, behind its last moment in 4.x', () => {
    expect(place('qwen2_5_vl')).toEqual({
      axes: [
        [0, 1, 11, 2, 3],
        [0, 1, 1, 2, 3],
        [0, 1, 1, 2, 3],
      ].map((axis) => Int32Array.from(axis)),
      next: 12,
    });
    expect(place('qwen2_5_vl', { mrope_rule: '4x' })).toEqual({
      axes: [
        [0, 1, 11, 12, 13],
        [0, 1, 1, 12, 13],
        [0, 1, 1, 12, 13],
      ].map((axis) => Int32Array.from(axis)),
      next: 14,
    });
  });

  test('follow the clock in Qwen2.5-VL, slices in Qwen2-VL', () => {
    expect([...(place('qwen2_vl')?.axes[0] ?? [])]).toEqual([0, 1, 2, 2, 3]);
    expect(place('qwen2_vl')?.next).toBe(4);
  });
});

describe('settings', () => {
  test('old names of limits go before size, in pictures and in videos of Qwen2-VL', () => {
    const json = {
      ...PATCHES,
      size: { shortest_edge: 64, longest_edge: 6400 },
      min_pixels: 64,
      max_pixels: 256,
    };
    const tokens = (modelType: string, medium: Medium) =>
      processorOf({ modelType, imageProcessor: json }).process([medium])[0]?.layout.tokens;
    expect(tokens('qwen2_vl', pictureMedium(pattern(80, 80)))).toBe(4);
    expect(tokens('qwen2_vl', clipOf([80, 80], 2, 1))).toBe(4);
    expect(tokens('qwen3_vl', clipOf([80, 80], 4, 1))).toBe(50);
  });

  test.for<[string, Options, string]>([
    [
      'patches of another size',
      { imageProcessor: { ...PATCHES, patch_size: 8 } },
      '"patch_size" is 8, the vision tower\'s 4; expected the same',
    ],
    [
      'other temporal patches of videos',
      { videoProcessor: { ...PATCHES, temporal_patch_size: 1 } },
      'video_preprocessor_config.json: "temporal_patch_size" is 1',
    ],
    [
      'a size without its edges',
      { imageProcessor: { ...PATCHES, size: { height: 4, width: 4 } } },
      '"shortest_edge" is missing',
    ],
    [
      'limits the wrong way round',
      { imageProcessor: { ...PATCHES, min_pixels: 9000, max_pixels: 64 } },
      'at least 9000 and at most 64 pixels',
    ],
    ['an unknown filter', { imageProcessor: { ...PATCHES, resample: 9 } }, '"resample" is 9'],
    ['a mean of two', { imageProcessor: { ...PATCHES, image_mean: [0, 0] } }, '"image_mean" is [0,0]'],
    ['no deviation', { imageProcessor: { ...PATCHES, image_std: [1, 0, 1] } }, '"image_std" is 0'],
    [
      'another rule of positions',
      { imageProcessor: { ...PATCHES, mrope_rule: '3x' } },
      '"mrope_rule" is "3x"; expected one of "5x", "4x"',
    ],
  ])('%s is refused', ([, options, message]) => {
    expect(() => processorOf(options)).toThrow(message);
  });

  test('frames are resized by what torchvision has', async () => {
    const processor = processorOf({ imageProcessor: { ...PATCHES, resample: 1 } });
    const [medium] = processor.process([clipOf([30, 30], 2, 1)]);
    await expect(medium && tilesOf(medium)).rejects.toThrow('the filter "lanczos"; expected "bilinear"');
  });
});
