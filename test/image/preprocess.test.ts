import { describe, expect, it } from 'vitest';
import { outputSize, parseImageProcessor } from '../../src/image/image-processor.ts';
import { loadPicture } from '../../src/image/load-picture.ts';
import { createPicture } from '../../src/image/picture.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { goldenPath, readGoldenJson, readGoldenTensors } from '../read-golden.ts';

type Case = {
  readonly golden: string;
  readonly config: string;
  readonly pictures: readonly string[];
  readonly tensors: readonly string[];
};

const cases: readonly Case[] = [
  ...['llava15/preprocessor_config.json', 'llava_linear/processor_config.json'].map((config) => ({
    golden: config.split('/')[0] ?? '',
    config,
    pictures: ['image_0.png', 'image_1.decoded.png'],
    tensors: ['chat.inputs.pixel_values', 'two_turns.inputs.pixel_values'],
  })),
  {
    golden: 'clip',
    config: 'clip/preprocessor_config.json',
    pictures: ['image_0.png', 'image_1.png', 'image_2.png'],
    tensors: ['inputs.pixel_values'],
  },
  ...['siglip', 'siglip2'].map((golden) => ({
    golden,
    config: `${golden}/preprocessor_config.json`,
    pictures: ['image_0.png', 'image_1.png', 'image_2.decoded.png'],
    tensors: ['inputs.pixel_values'],
  })),
];

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

async function pixelsOf({ golden, config, pictures }: Case): Promise<Float32Array> {
  const processor = parseImageProcessor(readGoldenJson(config));
  const values: number[] = [];
  for (const name of pictures) {
    const picture = await loadPicture(goldenPath(`${golden}/${name}`));
    const { pixelValues, height, width } = preprocess(picture, processor);
    expect({ height, width }).toMatchObject({
      height: outputSize(processor)?.height,
      width: outputSize(processor)?.width,
    });
    values.push(...pixelValues);
  }
  return Float32Array.from(values);
}

const expectedPixels = ({ golden, tensors }: Case): Float32Array => {
  const tensor = readGoldenTensors(`${golden}/reference.safetensors`);
  return Float32Array.from(tensors.flatMap((name) => [...tensor(name).data]));
};

describe('preprocess gives the pixel values of the reference', () => {
  it.each(cases)('$golden', async (testCase) => {
    expect(largestDifference(await pixelsOf(testCase), expectedPixels(testCase))).toBeLessThanOrEqual(1e-6);
  });

  it.each(['llava15/image_1', 'llava_linear/image_1', 'siglip/image_2', 'siglip2/image_2'])(
    'the JPEG %s decodes to the very pixels Pillow saw',
    async (name) => {
      const jpeg = await loadPicture(goldenPath(`${name}.jpg`));
      expect(jpeg).toEqual(await loadPicture(goldenPath(`${name}.decoded.png`)));
    },
  );
});

const clip = {
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 4 },
  crop_size: { height: 4, width: 4 },
  image_mean: [0, 0, 0],
  image_std: [1, 1, 1],
};

/** A picture whose red level is its column and green level its row. */
function gradient(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    data[i * 3] = i % width;
    data[i * 3 + 1] = Math.floor(i / width);
    data[i * 3 + 2] = 7;
  }
  return createPicture(width, height, data);
}

const unscaled = { ...clip, do_resize: false, do_rescale: false, do_normalize: false };

describe('preprocess, step by step', () => {
  it('crops the middle, the odd pixel off the far side', () => {
    const { pixelValues } = preprocess(gradient(7, 5), parseImageProcessor(unscaled));
    expect([...pixelValues.subarray(0, 4)]).toEqual([1, 2, 3, 4]);
    expect([...pixelValues.subarray(16, 32)].filter((_, i) => i % 4 === 0)).toEqual([0, 1, 2, 3]);
  });

  it('lays zeros around a picture smaller than the crop, the odd ones above and left', () => {
    const config = parseImageProcessor({ ...unscaled, crop_size: { height: 4, width: 6 } });
    const { pixelValues, height, width } = preprocess(gradient(3, 1), config);
    expect([height, width]).toEqual([4, 6]);
    const blue = [...pixelValues.subarray(48)];
    expect(blue).toEqual([...Array(12).fill(0), 0, 0, 7, 7, 7, 0, ...Array(6).fill(0)]);
  });

  it('pads one axis and crops the other', () => {
    const config = parseImageProcessor({ ...unscaled, crop_size: { height: 3, width: 2 } });
    const { pixelValues } = preprocess(gradient(6, 1), config);
    expect([...pixelValues.subarray(0, 6)]).toEqual([0, 0, 2, 3, 0, 0]);
  });

  it.each([
    [100, 1, 4],
    [1, 100, 4],
    [3, 7, 4],
  ])('takes a %sx%s picture to the crop', (width, height, edge) => {
    const result = preprocess(gradient(width, height), parseImageProcessor(clip));
    expect([result.height, result.width, result.pixelValues.length]).toEqual([edge, edge, 48]);
  });

  it('truncates the long edge as the reference does', () => {
    const config = parseImageProcessor({ ...clip, size: { shortest_edge: 5 }, do_center_crop: false });
    // 5 * 8 / 3 = 13.33
    expect(preprocess(gradient(8, 3), config)).toMatchObject({ width: 13, height: 5 });
  });

  it('refuses to enlarge a sliver beyond the pixel limit', () => {
    const config = parseImageProcessor({ ...clip, size: { shortest_edge: 1024 } });
    expect(() => preprocess(gradient(200_000, 1), config)).toThrow(
      '1024x204800000 is 209715200000 pixels; expected at most 178956970',
    );
  });
});

describe('parseImageProcessor', () => {
  it('reads the bare sizes and the old type name of the first CLIP checkpoints', () => {
    const config = parseImageProcessor({
      feature_extractor_type: 'CLIPFeatureExtractor',
      size: 224,
      crop_size: 224,
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
    });
    expect(config).toEqual({
      resize: { kind: 'shortest-edge', edge: 224 },
      filter: 'bicubic',
      centerCrop: { height: 224, width: 224 },
      rescaleFactor: 1 / 255,
      normalize: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    });
  });

  it('takes the backend suffixes for the same processor', () => {
    const fast = { ...clip, image_processor_type: 'CLIPImageProcessorFast' };
    expect(parseImageProcessor(fast)).toEqual(parseImageProcessor(clip));
  });

  it('takes what the class takes where a file says nothing', () => {
    const grey = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
    const exact = { kind: 'exact', height: 224, width: 224 };
    expect(parseImageProcessor({ image_processor_type: 'SiglipImageProcessor', size: null })).toEqual({
      resize: exact,
      filter: 'bicubic',
      centerCrop: null,
      rescaleFactor: 1 / 255,
      normalize: grey,
    });
    expect(parseImageProcessor({ image_processor_type: 'Gemma3ImageProcessorFast' })).toMatchObject({
      resize: exact,
      filter: 'bilinear',
      normalize: grey,
    });
    expect(parseImageProcessor({ image_processor_type: 'CLIPImageProcessor' })).toMatchObject({
      resize: { kind: 'shortest-edge', edge: 224 },
      centerCrop: { height: 224, width: 224 },
      normalize: {
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.26130258, 0.27577711],
      },
    });
  });

  it.each([
    ['image_processor_type', undefined],
    ['image_processor_type', 'Qwen2VLImageProcessor'],
    ['size', { longest_edge: 224 }],
    ['size', { shortest_edge: 0 }],
    ['size', { shortest_edge: 3.5 }],
    ['size', { height: 4 }],
    ['size', { shortest_edge: 1e9 }],
    ['crop_size', { height: 4 }],
    ['resample', 9],
    ['resample', 'bicubic'],
    ['image_mean', [0.5, 0.5]],
    ['image_mean', [0.5, 0.5, null]],
    ['image_std', [1, 0, 1]],
    ['rescale_factor', 'x'],
    ['rescale_factor', 0],
    ['do_resize', 'yes'],
  ])('refuses %s %j by name', (name, value) => {
    expect(() => parseImageProcessor({ ...clip, [name]: value })).toThrow(
      new RegExp(`^image processor config: ${name} is .*; expected `),
    );
  });

  it('refuses what is no object, and padding it does not do', () => {
    expect(() => parseImageProcessor(null)).toThrow(/the file is null; expected an object/);
    expect(() => parseImageProcessor({ image_processor: 3 })).toThrow(/image_processor is 3/);
    expect(() => parseImageProcessor({ ...clip, do_pad: true })).toThrow(/do_pad is true/);
  });
});
