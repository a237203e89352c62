import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mergeOrder } from '../../src/models/blocks/axial-rope.ts';
import { axialTables, inverseFrequencies, mropeTables } from '../../src/models/blocks/rope-tables.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import type { Model, MropeInfo } from '../../src/models/model.ts';
import { parseQwen25VlConfig } from '../../src/models/qwen2-5-vl/config.ts';
import { windowOrder } from '../../src/models/qwen2-5-vl/window-order.ts';
import { parseQwen2VlConfig } from '../../src/models/qwen2-vl/config.ts';
import { deepstackLayers, parseQwen3VlConfig } from '../../src/models/qwen3-vl/config.ts';
import { interleavedAxes } from '../../src/models/qwen3-vl/model.ts';
import { tableTaps } from '../../src/models/qwen3-vl/position-table.ts';
import { readGoldenJson } from '../read-golden.ts';
import { relativeError } from './part.ts';
import { openQwenVl, type QwenVariation } from './qwen-vl-golden.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const EXACT = 1e-4;
/** What another rule moves at least. */
const WRONG = 0.01;

type Opened = Awaited<ReturnType<typeof openQwenVl>>;

/** Rope settings of the three goldens: heads of 16 dims. */
const ropeOf = (theta: number) => ({ ropeType: 'default', theta, rotaryDim: 16 }) as const;
const SECTIONS = [2, 3, 3];

const withTables =
  (tables: MropeInfo['tables']) =>
  (model: Model): Model => ({ ...model, mrope: { axes: 3, rotaryDim: 16, tables } });
const contiguous = (theta: number): QwenVariation => ({
  model: withTables((positions) => mropeTables(ropeOf(theta), SECTIONS, positions)),
});
const interleaved = (theta: number): QwenVariation => ({
  model: withTables((positions) =>
    axialTables(inverseFrequencies(ropeOf(theta)), interleavedAxes(SECTIONS, 8), positions),
  ),
});
/** Every axis counts tokens, as in a model of text. */
const counted: QwenVariation = { positions: (axes) => axes.map((axis) => axis.map((_, i) => i)) };
/** A still picture whose further frames are black, as padding might be. */
const oneFrame: QwenVariation = {
  pixels: (tile) => tile.map((value, i) => (Math.floor(i / 64) % 2 === 0 ? value : 0)),
};

describe.each([
  ['qwen2_vl', 'vision.last_hidden_state', 1e6],
  ['qwen2_5_vl', 'vision.last_hidden_state_window_order', 1e6],
  ['qwen3_vl', 'vision.last_hidden_state', 5e6],
] as const)('%s computes as its reference', (name, lastState, theta) => {
  let golden: Opened;
  beforeAll(async () => {
    golden = await openQwenVl(name);
  });
  afterAll(() => golden.close());
  const logitsError = async (run: string, variation: QwenVariation = {}): Promise<number> =>
    relativeError(await golden.logits(run, variation), await golden.expected(run, 'logits'));

  test.for(['image', 'two_images', 'video'])('%s, every stage', async (run) => {
    expect(await golden.towerError(run, lastState)).toBeLessThan(EXACT);
    expect(await golden.towerError(run, 'projector.output')).toBeLessThan(EXACT);
    expect(await logitsError(run)).toBeLessThan(EXACT);
  });

  test('no tensor is missing and none is unused', () => expect(golden.unusedTensors()).toEqual([]));

  test('a still picture is two frames, not one and an empty one', async () => {
    expect(await golden.towerError('image', 'projector.output', oneFrame)).toBeGreaterThan(WRONG);
  });

  test('sections lie in a row in Qwen2-VL and 2.5, by turns in 3', async () => {
    const [right, wrong] = name === 'qwen3_vl' ? [interleaved, contiguous] : [contiguous, interleaved];
    expect(await logitsError('image', right(theta))).toBeLessThan(EXACT);
    expect(await logitsError('image', wrong(theta))).toBeGreaterThan(WRONG);
  });

  test('positions are of time, height and width', async () => {
    expect(await logitsError('image', counted)).toBeGreaterThan(WRONG);
  });
});

describe('Qwen2.5-VL', () => {
  let golden: Opened;
  beforeAll(async () => {
    golden = await openQwenVl('qwen2_5_vl');
  });
  afterAll(() => golden.close());

  test.for<[string, QwenVariation]>([
    ['attention over all in every layer', { vision: { fullatt_block_indexes: [0, 1, 2] } }],
    ['windows in every layer', { vision: { fullatt_block_indexes: [] } }],
    ['windows in other layers', { vision: { fullatt_block_indexes: [2] } }],
    ['smaller windows', { vision: { window_size: 16 } }],
    ['GELU in its MLP', { vision: { hidden_act: 'gelu' } }],
  ])('is not as %s would be', async ([, variation]) => {
    expect(await golden.towerError('image', 'projector.output', variation)).toBeGreaterThan(WRONG);
  });

  test('states stand in the order of windows until the merger has run', async () => {
    const rows = await golden.expected('image', 'vision.last_hidden_state_window_order');
    const { inverse } = windowOrder([3, 4], 2);
    const width = rows.length / 12;
    const restored = Array.from(inverse).flatMap((place) => [
      ...rows.subarray(place * width, (place + 1) * width),
    ]);
    expect(relativeError(restored, rows)).toBeGreaterThan(WRONG);
  });

  test('text behind a video stands by the rule of 5.x, or that of 4.x if told', async () => {
    const last8 = async (variation: QwenVariation) =>
      (await golden.logits('video', variation)).slice(-8 * 416);
    const by5x = await last8({});
    const by4x = await last8({ processor: { mrope_rule: '4x' } });
    const expected5x = (await golden.expected('video', 'logits')).slice(-8 * 416);
    const expected4x = await golden.expected('video', 'logits_4x_last8');
    expect(relativeError(by5x, expected5x)).toBeLessThan(EXACT);
    expect(relativeError(by4x, expected4x)).toBeLessThan(EXACT);
    expect(relativeError(by5x, expected4x)).toBeGreaterThan(1e-3);
    expect(relativeError(by4x, expected5x)).toBeGreaterThan(1e-3);
  });

  test('windows are cut off by the edges of a picture', () => {
    expect(windowOrder([3, 3], 2)).toEqual({
      order: Uint32Array.of(0, 1, 3, 4, 2, 5, 6, 7, 8),
      inverse: Uint32Array.of(0, 1, 4, 2, 3, 5, 6, 7, 8),
      spans: Uint32Array.of(0, 4, 0, 4, 0, 4, 0, 4, 4, 6, 4, 6, 6, 8, 6, 8, 8, 9),
    });
    expect([...windowOrder([2, 3], 4).order]).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('Qwen3-VL', () => {
  let golden: Opened;
  beforeAll(async () => {
    golden = await openQwenVl('qwen3_vl');
  });
  afterAll(() => golden.close());

  test('deepstack layers give features to the first layers of the decoder, each its own', async () => {
    const width = 3 * 64;
    const swapped = (features: Float32Array): Float32Array =>
      features.map((_, i) => {
        const column = i % width;
        if (column < 64) return features[i] ?? 0;
        return features[column < 128 ? i + 64 : i - 64] ?? 0;
      });
    const without = (features: Float32Array): Float32Array =>
      features.map((value, i) => (i % width < 64 ? value : 0));
    const expected = await golden.expected('image', 'logits');
    for (const features of [swapped, without])
      expect(relativeError(await golden.logits('image', { features }), expected)).toBeGreaterThan(WRONG);
  });

  test('each deepstack layer has the merger at its place in the list', () => {
    const { vision } = parseQwen3VlConfig(
      readConfig(
        {
          text_config: { hidden_size: 8 },
          vision_config: { depth: 5, out_hidden_size: 8, deepstack_visual_indexes: [3, 1, 7] },
        },
        'config.json',
      ),
    );
    expect(deepstackLayers(vision)).toEqual([
      { layer: 1, merger: 1 },
      { layer: 3, merger: 0 },
    ]);
  });

  test('the table of positions is stretched, corners upon corners', () => {
    const places = mergeOrder([2, 4], 2);
    expect([...places.rows]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
    expect([...places.columns]).toEqual([0, 1, 0, 1, 2, 3, 2, 3]);
    const { indices, weights } = tableTaps(3, [2, 4], places);
    // Columns 0 to 3 are at 0, 2/3, 4/3 and 2 of the table, rows at 0 and 2.
    expect(indices.map((corner) => [...corner])).toEqual([
      [0, 0, 6, 6, 1, 2, 7, 8],
      [1, 1, 7, 7, 2, 2, 8, 8],
      [3, 3, 6, 6, 4, 5, 7, 8],
      [4, 4, 7, 7, 5, 5, 8, 8],
    ]);
    const [left = new Float32Array(), right = new Float32Array()] = weights;
    [1, 1 / 3, 1, 1 / 3, 2 / 3, 1, 2 / 3, 1].forEach((weight, i) => {
      expect(left[i]).toBeCloseTo(weight, 6);
      expect(right[i]).toBeCloseTo(1 - weight, 6);
    });
    expect(weights.slice(2).every((corner) => corner.every((weight) => weight === 0))).toBe(true);
  });

  test('sections take turns, and time has what is left', () => {
    expect(interleavedAxes([2, 3, 3], 8)).toEqual([0, 1, 2, 0, 1, 2, 0, 1]);
    expect(interleavedAxes([24, 20, 20], 64).slice(57)).toEqual([0, 1, 2, 0, 0, 0, 0]);
  });
});

describe('configs of Qwen-VL', () => {
  type Json = Readonly<Record<string, unknown>>;
  const flat = readGoldenJson<Json & { vision_config: Json }>('qwen2_5_vl/config.json');
  const parse = (changed: Json) => parseQwen25VlConfig(readConfig({ ...flat, ...changed }, 'config.json'));
  const vision = (changed: Json) => ({ vision_config: { ...flat.vision_config, ...changed } });

  test('flat and nested files say the same', () => {
    const { vision_config, image_token_id, video_token_id, rope_scaling: _, ...text } = flat;
    const nested = {
      vision_config,
      image_token_id,
      video_token_id,
      tie_word_embeddings: true,
      text_config: {
        ...text,
        rope_theta: undefined,
        rope_parameters: { rope_type: 'default', rope_theta: 1e6, mrope_section: [2, 3, 3] },
      },
    };
    expect(parseQwen25VlConfig(readConfig(nested, 'config.json'))).toEqual(parse({}));
  });

  test('what is left out is what the reference assumes', () => {
    const bare = { text_config: {}, vision_config: {} };
    expect(() => parseQwen2VlConfig(readConfig(bare, 'config.json'))).toThrow(
      'vision_config "hidden_size" is 3584, the decoder\'s hidden_size 8192',
    );
    const text_config = { hidden_size: 3584, num_attention_heads: 28, num_key_value_heads: 4 };
    const seven = parseQwen2VlConfig(readConfig({ ...bare, text_config }, 'config.json'));
    expect(seven.text).toMatchObject({
      headDim: 128,
      mropeSection: [16, 24, 24],
      rope: { theta: 1e6 },
      rmsNormEps: 1e-5,
      qkvBias: true,
      outputBias: false,
    });
    expect(seven.vision).toMatchObject({ depth: 32, embedDim: 1280, patchSize: 14, ropeTheta: 1e4 });
    expect(seven).toMatchObject({ imageTokenId: 151655, videoTokenId: 151656, tieWordEmbeddings: false });

    const three = parseQwen3VlConfig(
      readConfig({ text_config: { hidden_size: 3584 }, vision_config: {} }, 'config.json'),
    );
    expect(three.text).toMatchObject({ headDim: 128, mropeSection: [24, 20, 20], rope: { theta: 5e5 } });
    expect(three.vision).toMatchObject({ deepstackVisualIndexes: [8, 16, 24], numPositionEmbeddings: 2304 });
    expect(parse(vision({ fullatt_block_indexes: undefined })).vision.fullattBlockIndexes).toEqual([
      7, 15, 23, 31,
    ]);
  });

  test('as many key heads as query heads where the file says null, eight where it says nothing', () => {
    expect(parse({ num_key_value_heads: null }).text.numKeyValueHeads).toBe(4);
    expect(() => parse({ num_key_value_heads: undefined })).toThrow(
      'num_attention_heads 4 is not a multiple of num_key_value_heads 8',
    );
  });

  test.for<[string, Json, string]>([
    [
      'sections that do not add up',
      { rope_scaling: { type: 'mrope', mrope_section: [2, 3, 4] } },
      '"mrope_section" [2, 3, 4] has 9 frequencies, a head of 16 dims 8; expected the same',
    ],
    [
      'a negative section',
      { rope_scaling: { type: 'mrope', mrope_section: [-2, 7, 3] } },
      '"mrope_section" is [-2, 7, 3]; expected a number of frequencies for each axis',
    ],
    [
      'rope that is scaled some other way',
      { rope_scaling: { type: 'yarn', mrope_section: [2, 3, 3] } },
      'rope_type "yarn" is not supported',
    ],
    ['no tower', { vision_config: undefined }, '"vision_config" is missing'],
    [
      'heads that two axes cannot share',
      vision({ num_heads: 16 }),
      '"hidden_size" 32 in 16 heads gives 2 dims per head; expected a multiple of 4',
    ],
    [
      'features of another width',
      vision({ out_hidden_size: 48 }),
      'vision_config "out_hidden_size" is 48, the decoder\'s hidden_size 64; expected the same',
    ],
    [
      'windows smaller than a merged patch',
      vision({ window_size: 8 }),
      '"window_size" is 8 pixels; expected at least 16, a merged patch',
    ],
    [
      'a tower with other rotary positions',
      vision({ rope_parameters: { rope_type: 'yarn' } }),
      '"rope_type" is "yarn"; expected one of "axial", "default"',
    ],
  ])('%s is refused', ([, changed, message]) => {
    expect(() => parse(changed)).toThrow(message);
  });

  test('Qwen3-VL needs a section for each axis', () => {
    const json = {
      text_config: { hidden_size: 3584, rope_scaling: { mrope_section: [24, 20] } },
      vision_config: {},
    };
    expect(() => parseQwen3VlConfig(readConfig(json, 'config.json'))).toThrow(
      '"mrope_section" [24, 20] with heads of 128 dims; expected three numbers',
    );
  });

  test('an MLP of no width is refused', () => {
    const json = { ...readGoldenJson<Json & { vision_config: Json }>('qwen2_vl/config.json') };
    const changed = { ...json, vision_config: { ...(json.vision_config as Json), mlp_ratio: 0 } };
    expect(() => parseQwen2VlConfig(readConfig(changed, 'config.json'))).toThrow('"mlp_ratio" is 0');
  });
});
