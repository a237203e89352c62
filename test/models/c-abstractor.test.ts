import { expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { Parameters } from '../../src/models/parameters.ts';
import { type CAbstractorConfig, cAbstractor } from '../../src/models/projectors/c-abstractor.ts';
import { describeOnAdapters } from '../adapters.ts';
import {
  floatEntry,
  floats,
  interpretPart,
  openGoldenFile,
  type Part,
  randomPart,
  relativeError,
  runPart,
  shapesOf,
} from './part.ts';

const TOLERANCE = 1e-4;
const STAGES = ['after_stage1', 'after_pool', 'after_stage2'] as const;

const GOLDEN: CAbstractorConfig = {
  visionHiddenSize: 24,
  hiddenSize: 32,
  textHiddenSize: 40,
  tokenGrid: [4, 4],
  depth: 3,
  mlpDepth: 2,
  numPositions: 49,
};

async function goldenPart(): Promise<{ part: Part; expected: ReadonlyMap<string, Float32Array> }> {
  const index = await openGoldenFile('c_abstractor/model.safetensors');
  const reference = await openGoldenFile('c_abstractor/reference.safetensors');
  const expected = new Map([['output', await floats(reference, 'output')]]);
  for (const stage of STAGES) expected.set(`projector.${stage}`, await floats(reference, stage));
  // The reference keeps a map [2, 32, 16 places] there, this engine the rows it goes on with.
  const map = expected.get('projector.after_stage2') ?? [];
  const rows = Float32Array.from({ length: 2 * 16 * 32 }, (_, i) => {
    const [batch, place, channel] = [Math.floor(i / 512), Math.floor(i / 32) % 16, i % 32];
    return map[(batch * 32 + channel) * 16 + place] ?? Number.NaN;
  });
  expected.set('projector.after_stage2', rows);
  const input = await floats(reference, 'input');
  return { part: { index, input, shape: [2, 49, 24], build: (x, w) => cAbstractor(x, GOLDEN, w) }, expected };
}

const errors = (
  actual: ReadonlyMap<string, ArrayLike<number>>,
  expected: ReadonlyMap<string, Float32Array>,
) => [...expected].map(([name, values]) => ({ name, error: relativeError(actual.get(name), values) }));

test('the golden in f64, every stage', async () => {
  const { part, expected } = await goldenPart();
  const found = errors(await interpretPart(part), expected);
  expect(found.filter(({ error }) => !(error <= 1e-5))).toEqual([]);
  expect(found).toHaveLength(4);
});

/** Grids that divide 7 × 7 patches nowhere, are wider than the patches, or are no squares. */
const GRIDS = [
  [3, 5],
  [1, 11],
  [9, 2],
  [1, 1],
] as const;

describeOnAdapters('C-Abstractor', (getDevice) => {
  test('the golden, every stage', async ({ annotate }) => {
    const { part, expected } = await goldenPart();
    const stages = STAGES.map((stage) => `projector.${stage}`);
    const found = errors(await runPart(getDevice(), part, stages), expected);
    await annotate(found.map(({ name, error }) => `${name}: ${error.toExponential(1)}`).join(', '));
    expect(found.filter(({ error }) => !(error <= TOLERANCE))).toEqual([]);
    expect(found).toHaveLength(4);
  });

  test.each(GRIDS)('%i × %i tokens, with a class position', async (rows, columns) => {
    const config = { ...GOLDEN, tokenGrid: [rows, columns], numPositions: 50, mlpDepth: 1 } as const;
    const part = randomPart([1, 49, 24], 3, (x, w) => cAbstractor(x, config, w));
    const exact = await interpretPart(part);
    expect(exact.get('output')).toHaveLength(rows * columns * 40);
    const { output } = Object.fromEntries(await runPart(getDevice(), part));
    expect(relativeError(output, exact.get('output'))).toBeLessThan(TOLERANCE);
  });
});

test('the first of 50 positions, a class token, is not read', async () => {
  const build = (numPositions: number) => (x: Tensor, w: Parameters) =>
    cAbstractor(x, { ...GOLDEN, numPositions }, w);
  const { part, expected } = await goldenPart();
  const positions = await floats(part.index, 'pos_emb');
  const index = new Map(part.index);
  const longer = Float32Array.from([...new Array<number>(24).fill(1e9), ...positions]);
  index.set('pos_emb', floatEntry('pos_emb', [1, 50, 24], longer));
  const output = (await interpretPart({ ...part, index, build: build(50) })).get('output');
  expect(relativeError(output, expected.get('output'))).toBeLessThan(1e-5);
});

test.each([
  ['48 patches, no square', [1, 48, 24], 48],
  ['49 patches for 51 positions', [1, 49, 24], 51],
  ['49 patches for 48 positions', [1, 49, 24], 48],
])('%s are refused', (_, shape, numPositions) => {
  expect(() => shapesOf(shape, (x, w) => cAbstractor(x, { ...GOLDEN, numPositions }, w))).toThrow(ShapeError);
});

test.each([
  [10, 2],
  [14, 4],
  [24, 6],
])('the squeeze of %i channels is %i wide, rounded as Python does', (channels, squeezed) => {
  const config = { ...GOLDEN, visionHiddenSize: channels, numPositions: 0 };
  const { weights } = shapesOf([1, 4, channels], (x, w) => cAbstractor(x, config, w));
  expect(weights['net.0.b1.se.fc1.weight']).toEqual([squeezed, 32, 1, 1]);
  expect(weights).not.toHaveProperty('pos_emb');
});
