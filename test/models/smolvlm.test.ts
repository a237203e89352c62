import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildTileGraph } from '../../src/generate/graphs.ts';
import { buildPrompt } from '../../src/generate/prompt.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { TileLayout } from '../../src/models/model.ts';
import { bindParameters, type Precision } from '../../src/models/parameters.ts';
import { pixelShuffleProjector } from '../../src/models/projectors/pixel-shuffle.ts';
import { patchPositions } from '../../src/models/smolvlm/patch-positions.ts';
import { openGolden } from './golden.ts';
import { relativeError } from './part.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const TOLERANCE = 1e-4;
/** Wrong readings are at least this far off. */
const FAR = 1e-2;

type Golden = Awaited<ReturnType<typeof openGolden>>;
let golden: Golden;
beforeAll(async () => {
  golden = await openGolden('smolvlm');
});
afterAll(() => golden.close());

/** Every named intermediate of one tile. */
function encode(tile: TileLayout, pixelValues: ArrayLike<number>): ReadonlyMap<string, Float64Array> {
  const { model, root, weights } = golden;
  return interpret(buildTileGraph(model, root, F32, tile), { ...weights, pixelValues }).named;
}

const TILE: TileLayout = { kind: 'image', shape: [3, 32, 32] };

test('the connector takes the state after post_layernorm, and adds no bias', async () => {
  const run = golden.reference.runs.find(({ name }) => name === 'no_split');
  if (!run) throw new Error('the golden has a run without splitting');
  const expected = await golden.reference.floats(run, 'projector.output');
  const named = encode(TILE, await golden.reference.floats(run, 'inputs.pixel_values'));
  expect(relativeError(named.get('projector.output'), expected)).toBeLessThan(TOLERANCE);
  expect(relativeError(connector(named.get('vision.hidden_states.2')), expected)).toBeGreaterThan(FAR);
  expect(golden.index.has('model.connector.modality_projection.proj.bias')).toBe(false);
  const biased = connector(named.get('vision.last_hidden_state')).map((value) => value + 0.1);
  expect(relativeError(biased, expected)).toBeGreaterThan(FAR);
});

/** The connector alone on a tower's state [1, 16, 48]. */
function connector(state: ArrayLike<number> = []): Float64Array {
  const graph = new Graph();
  const w = bindParameters(graph, golden.root, F32).scope('model.connector');
  const sizes = { visionHiddenSize: 48, textHiddenSize: 60, scaleFactor: 2 };
  graph.output('y', pixelShuffleProjector(graph.input('x', [1, 16, 48], 'f32'), sizes, w));
  return interpret(graph, { ...golden.weights, x: state }).outputs.get('y') ?? new Float64Array();
}

test('pictures that outgrow the context are refused with numbers', async () => {
  const picture = await golden.files.readBytes('image_0.png');
  const images = Array.from({ length: 25 }, () => picture);
  await expect(buildPrompt(golden.assets, { prompt: 'Compare.', images })).rejects.toThrow(
    /^prompt: \d{4} tokens, 700 of them for 25 pictures or videos, do not fit the model's context of 1024/,
  );
});

describe('a padded picture', () => {
  // The second one recorded: 2 by 3 patches of 4 by 4.
  const realPatches = [2, 3] as const;
  const masked = async (stage: string): Promise<Float32Array> => {
    const values = await golden.reference.tensors.floats(`masked.${stage}`);
    return values.subarray(values.length / 2);
  };

  test('takes positions by fractions of its real part', async () => {
    const expected = await masked('embeddings');
    const pixels = await masked('pixel_values');
    const embeddings = (tile: TileLayout) => encode(tile, pixels).get('vision.hidden_states.0');
    expect(relativeError(embeddings({ ...TILE, realPatches }), expected)).toBeLessThan(TOLERANCE);
    expect(relativeError(embeddings(TILE), expected)).toBeGreaterThan(FAR);
  });

  test('hides its padding from every patch', async () => {
    const expected = await masked('vision.last_hidden_state');
    const pixels = await masked('pixel_values');
    const last = encode({ ...TILE, realPatches }, pixels).get('vision.last_hidden_state');
    expect(relativeError(last, expected)).toBeLessThan(TOLERANCE);
    const other = pixels.map((value, i) => (Math.floor(i / 32) % 32 >= 16 ? value + 1 : value));
    const padded = encode({ ...TILE, realPatches }, other).get('vision.last_hidden_state') ?? [];
    const realRows = (values: ArrayLike<number>) => Array.from(values).slice(0, 3 * 48);
    expect(relativeError(realRows(padded), realRows(expected))).toBeLessThan(TOLERANCE);
    const seen = encode(TILE, other).get('vision.last_hidden_state') ?? [];
    expect(relativeError(realRows(seen), realRows(expected))).toBeGreaterThan(FAR);
  });
});

describe('positions of patches, as torch buckets them', () => {
  test.each([
    // [patches of the tower's side, real patches, position of each]
    [4, 3, [0, 1, 2]],
    [4, 4, [0, 1, 2, 3]],
    [4, 6, [0, 0, 1, 2, 2, 3]],
    [7, 5, [0, 1, 2, 4, 5]],
    [8, 7, [0, 1, 2, 3, 4, 5, 6]],
    [14, 9, [0, 1, 3, 4, 6, 7, 9, 10, 12]],
  ])('%i a side, %i real', (side, real, expected) => {
    expect([...patchPositions([1, real], [1, real], side)]).toEqual(expected);
  });

  test.each([26, 27, 32])('a whole picture of %i a side takes them in order', (side) => {
    const grid = [side, side] as const;
    expect([...patchPositions(grid, grid, side)]).toEqual(Array.from({ length: side ** 2 }, (_, i) => i));
  });

  test('padding takes position 0', () => {
    expect([...patchPositions([2, 3], [1, 2], 4)]).toEqual([0, 2, 0, 0, 0, 0]);
  });
});
