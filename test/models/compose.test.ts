import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { ConfigError } from '../../src/core/errors.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { buildDecoderGraph, buildTileGraph } from '../../src/generate/graphs.ts';
import { inspectModel } from '../../src/generate/inspect.ts';
import { newWeights } from '../../src/generate/new-weights.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { composeVlm, tokensPerImage, type VlmParts } from '../../src/models/compose/compose-vlm.ts';
import { projectors } from '../../src/models/compose/projectors.ts';
import { readEncoder } from '../../src/models/compose/vision-encoder.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import type { Model } from '../../src/models/model.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { imageFeatureRows } from '../../src/text/image-tokens.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { floats, relativeError } from './part.ts';
import { CLIP_CONFIG, DECODERS, ENCODERS, PROJECTORS } from './tiny-parts.ts';

const TOLERANCE = 1e-4;
const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const PARTS = ['encoder', 'projector', 'decoder'] as const;

const named = <T>(parts: Readonly<Record<string, T>>, name: string): T => {
  const part = parts[name];
  if (part === undefined) throw new Error(`no part "${name}"`);
  return part;
};
const partsOf = (encoder: string, projector: string, decoder: string): VlmParts => ({
  encoder: named(ENCODERS, encoder),
  projector: named(PROJECTORS, projector).choice,
  decoder: named(DECODERS, decoder),
});

/** Values that a graph takes and gives, by name. */
type Values = Readonly<Record<string, Float32Array | Int32Array | Uint32Array>>;

/** The tower on a picture, and the decoder on a prompt around its features. */
interface Composition {
  readonly model: Model;
  readonly index: TensorIndex;
  readonly vision: Graph;
  readonly pixelValues: Float32Array;
  readonly decoder: Graph;
  readonly prompt: Values;
}

function compose(parts: VlmParts): Composition {
  const model = composeVlm(parts);
  const index = newWeights(model, PARTS, 5);
  const root = weightScope(index, model.modelType);
  const layout = model.vision?.typicalLayout;
  if (!layout || !model.vision) throw new Error('no vision');
  const vision = buildTileGraph(model, root, F32, layout.tile);
  const count = layout.tile.shape.reduce((product, size) => product * size, 1);
  const { imageTokenId } = model.vision;
  const ids = [3, ...new Array<number>(layout.tokens).fill(imageTokenId), 7, 11];
  const seq = ids.length;
  const shape = { seq, capacity: seq + 2, imageRows: layout.tokens, spans: false, picker: 'none' } as const;
  const decoder = buildDecoderGraph(model, root, F32, shape);
  expect(root.finish()).toEqual([]);
  return {
    model,
    index,
    vision,
    pixelValues: Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.37)),
    decoder,
    prompt: {
      ids: Uint32Array.from(ids),
      positions: Uint32Array.from(ids, (_, i) => i),
      past: Uint32Array.of(0),
      imageIndex: imageFeatureRows(ids, [{ tokenId: imageTokenId, count: layout.tokens }]),
    },
  };
}

/** Features and logits in f64. */
async function exactly({ index, vision, decoder, pixelValues, prompt }: Composition) {
  const weights: Record<string, Float32Array> = {};
  for (const name of index.keys()) weights[name] = await floats(index, name);
  const features = interpret(vision, { ...weights, pixelValues }).outputs.get('tileFeatures') ?? [];
  const logits = interpret(decoder, { ...weights, ...prompt, imageFeatures: features }).outputs.get('logits');
  return { features: Float32Array.from(features), logits: logits ?? new Float64Array() };
}

async function runOn(device: Device, graph: Graph, index: TensorIndex, inputs: Values, output: string) {
  const weights = createWeightStore(device, index);
  const states = createStateStore(device);
  const session = await createSession(device, compile(graph, device.caps), { weights, states });
  try {
    return (await session.runAndRead(inputs, [output]))[output];
  } finally {
    for (const part of [session, weights, states]) part.dispose();
  }
}

describeOnAdapters('every combination', (getDevice) => {
  // Another layer of the same tower is one more encoder, but no more to a projector.
  const pairs = Object.keys(ENCODERS).flatMap((encoder) =>
    Object.keys(PROJECTORS)
      .filter((projector) => projector === 'linear' || !encoder.includes('layer'))
      .map((projector) => [encoder, projector] as const),
  );
  test.for(pairs)('%s, %s, any decoder', async ([encoder, projector], { annotate }) => {
    const errors: number[] = [];
    for (const decoder of Object.keys(DECODERS)) {
      const whole = compose(partsOf(encoder, projector, decoder));
      const exact = await exactly(whole);
      const device = getDevice();
      const { index, pixelValues, prompt } = whole;
      const features = await runOn(device, whole.vision, index, { pixelValues }, 'tileFeatures');
      const inputs = { ...prompt, imageFeatures: exact.features };
      const logits = await runOn(device, whole.decoder, index, inputs, 'logits');
      errors.push(relativeError(features, exact.features), relativeError(logits, exact.logits));
    }
    await annotate(errors.map((error) => error.toExponential(1)).join(' '));
    expect(errors.filter((error) => !(error <= TOLERANCE))).toEqual([]);
    expect(errors).toHaveLength(2 * 3);
  });
});

describe('tokens of a picture', () => {
  const sides = { clip: 4, 'clip, layer -1': 4, siglip: 6, 'siglip, layer 1': 6 };
  test.each(Object.entries(sides))('%s', (encoder, side) => {
    for (const [name, { tokens }] of Object.entries(PROJECTORS)) {
      const parts = partsOf(encoder, name, 'llama');
      expect(tokensPerImage(parts), name).toBe(tokens(side));
      const { model, vision } = compose(parts);
      expect(vision.outputs.get('tileFeatures')?.shape, name).toEqual([tokens(side), 32]);
      expect(model.vision?.typicalLayout.tokens, name).toBe(tokens(side));
    }
  });
});

test('a picture changes what the decoder says', async () => {
  const whole = compose(partsOf('clip', 'mlp', 'llama'));
  const dark = { ...whole, pixelValues: whole.pixelValues.map(() => -1) };
  const [one, other] = [await exactly(whole), await exactly(dark)];
  expect(relativeError(one.logits, other.logits)).toBeGreaterThan(0.01);
});

test('the layer is that of the tower', async () => {
  const featuresOf = async (featureLayer: number) => {
    const encoder = readEncoder(readConfig(CLIP_CONFIG, 'clip'), { featureLayer });
    return (await exactly(compose({ ...partsOf('clip', 'linear', 'llama'), encoder }))).features;
  };
  expect(await featuresOf(-2)).toEqual(await featuresOf(1));
  expect(await featuresOf(-2)).toEqual((await exactly(compose(partsOf('clip', 'linear', 'llama')))).features);
  expect(relativeError(await featuresOf(-1), await featuresOf(1))).toBeGreaterThan(0.01);
});

test('inspection counts what there is', () => {
  const { model, index } = compose(partsOf('siglip', 'c-abstractor', 'qwen2'));
  const options = { dtype: 'f32', contextTokens: 64 } as const;
  const report = inspectModel('composed', model, index, weightScope(index, 'composed'), options);
  expect(report).toMatchObject({
    modelType: 'siglip+c-abstractor+qwen2',
    unusedTensors: [],
    vision: { imageTokenId: 40, tokensPerImage: 6, imageShape: [3, 26, 26] },
  });
  expect(Object.keys(report.parametersByPart).sort()).toEqual([
    'language_model',
    'multi_modal_projector',
    'vision_tower',
  ]);
  // Two for each weight of the language model that a token meets, and what attention adds.
  const { token, prompt, promptTokens, picture } = report.flops;
  const weights = report.parametersByPart.language_model ?? 0;
  expect(promptTokens).toBe(64);
  expect(token / (2 * weights)).toBeGreaterThan(0.8);
  expect(token / (2 * weights)).toBeLessThan(3);
  expect(prompt).toBeGreaterThan(30 * token);
  expect(picture).toBeGreaterThan(2 * (report.parametersByPart.vision_tower ?? 0));
});

test.each([
  ['average-pool of 9 tokens', projectors.averagePool({ tokens: 9 })],
  ['average-pool of 8 tokens', projectors.averagePool({ tokens: 8 })],
  ['pixel-shuffle by 3', projectors.pixelShuffle({ scaleFactor: 3 })],
  ['patch-merger by 0', projectors.patchMerger({ spatialMergeSize: 0 })],
  ['c-abstractor of 0 tokens', projectors.cAbstractor({ tokens: 0 })],
  ['c-abstractor of half a token', projectors.cAbstractor({ tokens: 2.5 })],
  ['resampler of no token', projectors.resampler({ tokens: 0 })],
])('%s does not fit 4 x 4 patches', (_, projector) => {
  expect(() => composeVlm({ ...partsOf('clip', 'mlp', 'llama'), projector })).toThrow(ConfigError);
});

test('a tower without that layer and a decoder with a tower of its own are refused', () => {
  expect(() => readEncoder(readConfig(CLIP_CONFIG, 'clip'), { featureLayer: 3 })).toThrow(
    'featureLayer is 3, but the tower has 3 hidden states; expected -3 to 2',
  );
  const decoder = composeVlm(partsOf('clip', 'mlp', 'llama'));
  expect(() => composeVlm({ ...partsOf('clip', 'mlp', 'llama'), decoder })).toThrow(ConfigError);
});
