import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPackGraph, buildTileGraph } from '../../src/generate/graphs.ts';
import { buildPrompt } from '../../src/generate/prompt.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { reshape } from '../../src/graph/movement.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import { parseLlavaParts } from '../../src/models/llava/config.ts';
import { llavaProjector } from '../../src/models/llava/projector.ts';
import { resizeMap } from '../../src/models/llava-next/pack.ts';
import { poolFrame } from '../../src/models/llava-next/pool.ts';
import type { VisionLayout } from '../../src/models/model.ts';
import { bindParameters, type Parameters, type Precision } from '../../src/models/parameters.ts';
import { parseSiglipVisionConfig } from '../../src/models/siglip/config.ts';
import { siglipLastHiddenState } from '../../src/models/siglip/vision.ts';
import { makePrompt, promptIds } from '../../src/verify/inputs.ts';
import { readJson } from '../../src/weights/checkpoint-files.ts';
import { openGolden } from './golden.ts';
import { relativeError } from './part.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const TOLERANCE = 1e-4;
/** Wrong readings are at least this far off. */
const FAR = 1e-2;

type Golden = Awaited<ReturnType<typeof openGolden>>;

/** What the tests ask of a golden. */
interface Opened extends Golden {
  readonly recorded: (run: string, stage: string) => Promise<Float32Array>;
  /** A graph over one input in f64, with the checkpoint's weights. */
  readonly run: (
    input: ArrayLike<number>,
    shape: readonly number[],
    build: (x: Tensor, w: Parameters) => Tensor,
  ) => Float64Array;
  /** The projector on [rows, 40]. */
  readonly project: (features: ArrayLike<number>) => Float64Array;
  readonly newline: Float32Array;
}

async function open(name: string): Promise<Opened> {
  const golden = await openGolden(name);
  const json = readConfig(await readJson(golden.files, 'config.json'), 'config.json');
  const parts = parseLlavaParts(json, {
    modelType: 'clip_vision_model',
    visionFeatureLayer: -2,
    visionFeatureSelectStrategy: 'default',
    textModelType: 'llama',
    imageTokenIndex: 0,
  });
  const run: Opened['run'] = (input, shape, build) => {
    const graph = new Graph();
    graph.output('y', build(graph.input('x', shape, 'f32'), bindParameters(graph, golden.root, F32)));
    return interpret(graph, { ...golden.weights, x: input }).outputs.get('y') ?? new Float64Array();
  };
  return {
    ...golden,
    run,
    recorded: (runName, stage) => golden.reference.tensors.floats(`${runName}.${stage}`),
    project: (features) =>
      run(features, [features.length / 40, 40], (x, w) =>
        llavaProjector(x, parts, w.scope('multi_modal_projector')),
      ),
    newline: await golden.reference.tensors.floats('image_newline'),
  };
}

/** Indices of the rows that are the newline. */
function newlineRows(features: ArrayLike<number>, newline: Float32Array): number[] {
  const rows = Array.from({ length: features.length / newline.length }, (_, row) => row);
  return rows.filter((row) =>
    newline.every((value, i) => Math.abs(value - (features[row * newline.length + i] ?? Number.NaN)) < 1e-6),
  );
}

const range = (begin: number, end: number): number[] =>
  Array.from({ length: end - begin }, (_, i) => begin + i);

describe('LLaVA-OneVision', () => {
  let golden: Opened;
  beforeAll(async () => {
    golden = await open('llava_onevision');
  });
  afterAll(() => golden.close());

  /** Features of a picture's tiles as the projector gives them. */
  const tiles = async (run: string): Promise<Float64Array> =>
    golden.project(await golden.recorded(run, 'vision.selected_layer'));

  test('takes the last state before post_layernorm', async () => {
    const tile = { kind: 'image', shape: [3, 32, 32] } as const;
    const pixels = (await golden.recorded('image', 'inputs.pixel_values')).subarray(0, 3 * 32 * 32);
    const { named } = interpret(buildTileGraph(golden.model, golden.root, F32, tile), {
      ...golden.weights,
      pixelValues: pixels,
    });
    const expected = (await golden.recorded('image', 'vision.selected_layer')).subarray(0, 16 * 40);
    const last = named.get('vision.hidden_states.2') ?? new Float64Array();
    expect(relativeError(last, expected)).toBeLessThan(TOLERANCE);
    const config = parseSiglipVisionConfig(
      readConfig({ hidden_size: 40, num_attention_heads: 4, patch_size: 8, image_size: 32 }, 'test'),
    );
    const normed = golden.run(last, [1, 16, 40], (x, w) =>
      siglipLastHiddenState(x, config, w.scope('vision_tower.vision_model')),
    );
    expect(relativeError(normed, expected)).toBeGreaterThan(FAR);
  });

  // 52x101 pixels over 2x2 tiles of 4x4 features: of the 8 rows the middle 4 lie on the picture.
  const layout: VisionLayout = {
    tile: { kind: 'image', shape: [3, 32, 32] },
    tiles: 5,
    tileGrid: [2, 2],
    tokens: 52,
    imageSize: [52, 101],
  };

  function pack(features: ArrayLike<number>, changed: Partial<VisionLayout> = {}): Float64Array {
    const whole = { ...layout, ...changed };
    const graph = buildPackGraph(golden.model, golden.root, F32, whole, [16, 56]);
    if (!graph) throw new Error('OneVision packs its tiles');
    const { outputs } = interpret(graph, { ...golden.weights, tileFeatures: features });
    return outputs.get('imageFeatures') ?? new Float64Array();
  }

  test('packs the whole picture, then its tiles without padding, a newline behind each row', async () => {
    const expected = await golden.recorded('image', 'projector.output_packed');
    const features = await tiles('image');
    expect(relativeError(pack(features), expected)).toBeLessThan(TOLERANCE);
    // The whole picture last: tiles in another order.
    const moved = Float64Array.of(...features.subarray(16 * 56), ...features.subarray(0, 16 * 56));
    expect(relativeError(pack(moved), expected)).toBeGreaterThan(FAR);
    // A picture of the tiles' own shape has no padding to cut.
    const square = pack(features, { imageSize: [64, 64], tokens: 16 + 5 * 6 });
    expect(square.length).not.toBe(expected.length);
    const rows = newlineRows(expected, golden.newline);
    expect(rows).toEqual([24, 33, 42, 51]);
    const before = rows.map((row) => row - 8);
    expect(newlineRows(expected, golden.newline)).not.toEqual(before);
  });

  test('pictures of one conversation are seen whole; the reference’s two were each alone', async () => {
    const run = golden.reference.runs.find(({ name }) => name === 'two_images');
    if (!run) throw new Error('the golden has a run of two pictures');
    const [expected = []] = await promptIds(golden.reference, run);
    const ids = async (processor: Readonly<Record<string, unknown>>): Promise<readonly number[]> =>
      (await makePrompt(golden.assets, golden.files, { ...run, processor }, '')).prompt.tokenIds;
    expect(await ids({ batch_num_images: [1, 1] })).toEqual(expected);
    const imageTokens = (list: readonly number[]): number => list.filter((id) => id === 404).length;
    expect(imageTokens(expected)).toBe(52 + 56);
    expect(imageTokens(await ids({}))).toBe(2 * (16 + 1));
  });

  test('shrinks frames after the projector, one newline behind the last', async () => {
    const expected = await golden.recorded('video', 'projector.output_pooled');
    const selected = await golden.recorded('video', 'vision.selected_layer');
    const shrink = (features: ArrayLike<number>, width: number): number[] =>
      range(0, 4).flatMap((frame) => {
        const own = Array.from(features).slice(frame * 16 * width, (frame + 1) * 16 * width);
        return [...golden.run(own, [4, 4, width], (x) => resizeMap(x, [2, 2]))];
      });
    const frames = expected.subarray(0, 16 * 56);
    expect(relativeError(shrink(golden.project(selected), 56), frames)).toBeLessThan(TOLERANCE);
    expect(relativeError(golden.project(shrink(selected, 40)), frames)).toBeGreaterThan(FAR);
    expect(newlineRows(expected, golden.newline)).toEqual([16]);
  });

  test('a picture whose tiles are too many is refused before it is encoded', async () => {
    const picture = await golden.files.readBytes('image_0.png');
    const images = Array.from({ length: 70 }, () => picture);
    await expect(buildPrompt(golden.assets, { prompt: 'Compare.', images })).rejects.toThrow(
      /1190 of them for 70 pictures or videos, do not fit the model's context of 1024/,
    );
  });
});

describe('LLaVA-NeXT-Video', () => {
  let golden: Opened;
  beforeAll(async () => {
    golden = await open('llava_next_video');
  });
  afterAll(() => golden.close());

  test('pools frames before the projector, with no newline', async () => {
    const expected = await golden.recorded('video', 'projector.output');
    const selected = await golden.recorded('video', 'vision.selected_layer'); // [5, 17, 40]
    const patches = range(0, 5).map((frame) =>
      Array.from(selected.subarray((frame * 17 + 1) * 40, (frame + 1) * 17 * 40)),
    );
    const pooling = { spatialPoolMode: 'average', spatialPoolStride: 2 } as const;
    const pool = (features: ArrayLike<number>, width: number): Float64Array =>
      golden.run(features, [16, width], (x, w) => poolFrame(x, pooling, w));
    const before = patches.flatMap((frame) => [...golden.project(pool(frame, 40))]);
    const after = patches.flatMap((frame) => [...pool(golden.project(frame), 60)]);
    expect(relativeError(before, expected)).toBeLessThan(TOLERANCE);
    expect(relativeError(after, expected)).toBeGreaterThan(FAR);
    expect(newlineRows(expected, golden.newline)).toEqual([]);
  });

  test('drops the class token, and takes the last layer but one', async () => {
    const pooled = await golden.recorded('video', 'pooler.output'); // [5, 4, 40]
    const tile = { kind: 'video', shape: [3, 32, 32] } as const;
    const pixels = (await golden.recorded('video', 'inputs.pixel_values_videos')).subarray(0, 3 * 32 * 32);
    const { named } = interpret(buildTileGraph(golden.model, golden.root, F32, tile), {
      ...golden.weights,
      pixelValues: pixels,
    });
    const average = { spatialPoolMode: 'average', spatialPoolStride: 2 } as const;
    const poolOf = (state: ArrayLike<number> = [], from: number): Float64Array =>
      golden.run(Array.from(state).slice(from * 40, (from + 16) * 40), [16, 40], (x, w) =>
        poolFrame(reshape(x, [16, 40]), average, w),
      );
    const expected = pooled.subarray(0, 4 * 40);
    expect(relativeError(poolOf(named.get('vision.hidden_states.2'), 1), expected)).toBeLessThan(TOLERANCE);
    expect(relativeError(poolOf(named.get('vision.hidden_states.2'), 0), expected)).toBeGreaterThan(FAR);
    expect(relativeError(poolOf(named.get('vision.hidden_states.3'), 1), expected)).toBeGreaterThan(FAR);
  });

  test('ends each row of a picture’s tiles with a newline, whatever their number', async () => {
    const expected = await golden.recorded('image', 'projector.output_packed');
    expect(newlineRows(expected, golden.newline)).toEqual([24, 33, 42, 51]);
  });
});

describe('pooling of frames', () => {
  const features = Float64Array.from({ length: 9 * 2 }, (_, i) => Math.sin(i * 1.3));

  /** Each square's value by its own rule; the third row and column are left over. */
  const at = (row: number, column: number, channel: number): number =>
    features[(row * 3 + column) * 2 + channel] ?? 0;

  test('by maximum', () => {
    const graph = new Graph();
    const pooling = { spatialPoolMode: 'max', spatialPoolStride: 2 } as const;
    graph.output(
      'y',
      poolFrame(graph.input('x', [9, 2], 'f32'), pooling, undefined as unknown as Parameters),
    );
    const expected = [0, 1].map((c) => Math.max(at(0, 0, c), at(0, 1, c), at(1, 0, c), at(1, 1, c)));
    expect([...(interpret(graph, { x: features }).outputs.get('y') ?? [])]).toEqual(expected);
  });

  test('by a learned convolution', () => {
    const weight = Float64Array.from({ length: 16 }, (_, i) => Math.cos(i));
    const graph = new Graph();
    const w = {
      get: (name: string, shape: readonly number[]) => graph.weight(name, shape, 'f32'),
    } as unknown as Parameters;
    const pooling = { spatialPoolMode: 'conv', spatialPoolStride: 2 } as const;
    graph.output('y', poolFrame(graph.input('x', [9, 2], 'f32'), pooling, w));
    const expected = [0, 1].map((out) => {
      let sum = out === 0 ? 0.5 : -0.25;
      for (let c = 0; c < 2; c++)
        for (let row = 0; row < 2; row++)
          for (let column = 0; column < 2; column++)
            sum += at(row, column, c) * (weight[((out * 2 + c) * 2 + row) * 2 + column] ?? 0);
      return sum;
    });
    const values = { x: features, 'pool.weight': weight, 'pool.bias': [0.5, -0.25] };
    const y = interpret(graph, values).outputs.get('y') ?? [];
    for (const [i, value] of expected.entries()) expect(y[i]).toBeCloseTo(value, 12);
  });
});
