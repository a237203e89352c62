import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { Parameters } from '../../src/models/parameters.ts';
import { averagePoolProjector } from '../../src/models/projectors/average-pool.ts';
import {
  NAMED_MERGER,
  type PatchMergerConfig,
  patchMerger,
  SEQUENTIAL_MERGER,
} from '../../src/models/projectors/patch-merger.ts';
import { pixelShuffleProjector } from '../../src/models/projectors/pixel-shuffle.ts';
import { describeOnAdapters } from '../adapters.ts';
import {
  floats,
  interpretPart,
  openGoldenFile,
  type Part,
  relativeError,
  runPart,
  shapesOf,
} from './part.ts';

const TOLERANCE = 1e-4;

const GEMMA3 = { visionHiddenSize: 36, textHiddenSize: 56, numTokens: 9, normEps: 1e-6 };
const SMOLVLM = { visionHiddenSize: 48, textHiddenSize: 60, scaleFactor: 2 };
const QWEN2: PatchMergerConfig = {
  hiddenSize: 32,
  outHiddenSize: 64,
  spatialMergeSize: 2,
  norm: 'layer',
  normEps: 1e-6,
  normOf: 'patch',
  names: SEQUENTIAL_MERGER,
};

type Build = (input: Tensor, w: Parameters) => Tensor;
const PROJECTORS: Readonly<Record<string, Build>> = {
  gemma3: (x, w) => averagePoolProjector(x, GEMMA3, w),
  smolvlm: (x, w) => pixelShuffleProjector(x, SMOLVLM, w),
  qwen2_vl: (x, w) => patchMerger(x, QWEN2, w),
  qwen2_5_vl: (x, w) => patchMerger(x, { ...QWEN2, norm: 'rms' }, w),
  qwen3_vl: (x, w) => patchMerger(x, { ...QWEN2, names: NAMED_MERGER }, w),
};

async function goldenPart(name: string, build: Build): Promise<Part & { readonly output: Float32Array }> {
  const index = await openGoldenFile('projectors/projectors.safetensors');
  return {
    index,
    input: await floats(index, `${name}.input`),
    shape: index.get(`${name}.input`)?.shape ?? [],
    output: await floats(index, `${name}.output`),
    build: (input, w) => build(input, w.scope(name)),
  };
}

describe('projectors in f64', () => {
  test.each(Object.entries(PROJECTORS))('%s', async (name, build) => {
    const part = await goldenPart(name, build);
    const values = await interpretPart(part);
    expect(relativeError(values.get('output'), part.output)).toBeLessThan(TOLERANCE);
    const joined = values.get('connector.pixel_shuffle');
    expect(joined !== undefined).toBe(name === 'smolvlm');
    if (joined)
      expect([...joined]).toEqual([...(await floats(part.index, `${name}.connector.pixel_shuffle`))]);
  });
});

describeOnAdapters('projectors', (getDevice) => {
  test.each(Object.entries(PROJECTORS))('%s', async (name, build) => {
    const part = await goldenPart(name, build);
    const values = await runPart(getDevice(), part);
    expect(relativeError(values.get('output'), part.output)).toBeLessThan(TOLERANCE);
  });
});

test('a merger that norms what was joined has a norm as wide as that', () => {
  const config: PatchMergerConfig = { ...QWEN2, normOf: 'joined', names: NAMED_MERGER };
  const { output, weights, ops } = shapesOf([48, 32], (x, w) => patchMerger(x, config, w));
  expect(output).toEqual([12, 64]);
  expect(weights).toMatchObject({ 'norm.weight': [128], 'norm.bias': [128] });
  expect(ops).toEqual(['reshape', 'layerNorm', 'linear', 'linear']);
});

test('an average drops patches that fill no square', () => {
  const { output } = shapesOf([1, 49, 36], (x, w) => averagePoolProjector(x, GEMMA3, w));
  expect(output).toEqual([1, 9, 56]);
});

test.each([
  ['35 patches', [1, 35, 36]],
  ['25 patches to 9 tokens', [1, 25, 36]],
  ['4 patches to 9 tokens', [1, 4, 36]],
])('an average over %s is refused', (_, shape) => {
  expect(() => shapesOf(shape, (x, w) => averagePoolProjector(x, GEMMA3, w))).toThrow(ShapeError);
});

test('patches that do not fill the last square are refused', () => {
  expect(() => shapesOf([46, 32], (x, w) => patchMerger(x, QWEN2, w))).toThrow(
    /46 patches; expected a multiple of 4/,
  );
});
