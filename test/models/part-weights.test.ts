import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { WeightError } from '../../src/core/errors.ts';
import { openDecoder, openEncoder } from '../../src/generate/compose-parts.ts';
import { wholeModelGraphs } from '../../src/generate/graphs.ts';
import { newWeights } from '../../src/generate/new-weights.ts';
import { composeVlm } from '../../src/models/compose/compose-vlm.ts';
import { decoderWeights, projectorWeights, towerWeights } from '../../src/models/compose/part-weights.ts';
import { projectors } from '../../src/models/compose/projectors.ts';
import { type Checkpoint, openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { goldenPath } from '../read-golden.ts';

const folder = (name: string): string => fileURLToPath(goldenPath(name));
const open = async (name: string): Promise<Checkpoint> => openCheckpoint(await folderFiles(folder(name)));

/** Tensors that a composition of `encoder` and `decoder` asks for and does not find, and those left over. */
async function leftOver(encoder: string, decoder: string): Promise<readonly string[]> {
  const opened: Checkpoint[] = [];
  try {
    const tower = await openEncoder(folder(encoder), undefined, opened);
    const text = await openDecoder(folder(decoder), opened);
    const model = composeVlm({
      encoder: tower.encoder,
      projector: projectors.linear(),
      decoder: text.decoder,
    });
    const parts = [tower.weights, text.weights, newWeights(model, ['projector'], 1)];
    const root = weightScope(new Map(parts.flatMap((part) => [...(part ?? [])])), 'composed');
    wholeModelGraphs(model, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' }, 4);
    return root.finish();
  } finally {
    await Promise.all(opened.map((checkpoint) => checkpoint.close()));
  }
}

describe('parts of checkpoints of every spelling are found whole', () => {
  test.each([
    ['clip', 'llama3_text'],
    ['siglip', 'qwen2_text'],
    ['siglip2', 'gemma_text'],
    ['llava15', 'llava15'],
    ['llava_linear', 'llava_linear'],
    ['llava15', 'gemma_text'],
  ])('the tower of %s and the decoder of %s', async (encoder, decoder) => {
    expect(await leftOver(encoder, decoder)).toEqual([]);
  });
});

test.each(['llava15', 'llava_linear'])('the projector of %s', async (name) => {
  const checkpoint = await open(name);
  const names = [...projectorWeights(checkpoint.index).keys()].sort();
  const layers = name === 'llava15' ? ['linear_1', 'linear_2'] : ['linear_1'];
  expect(names).toEqual(
    layers.flatMap((layer) => ['bias', 'weight'].map((kind) => `multi_modal_projector.${layer}.${kind}`)),
  );
  await checkpoint.close();
});

test('a projector alone in its file', async () => {
  const checkpoint = await open('c_abstractor');
  const moved: TensorIndex = projectorWeights(checkpoint.index);
  expect(moved.size).toBe(checkpoint.index.size);
  const entry = moved.get('multi_modal_projector.net.0.b1.conv1.conv.weight');
  expect(entry?.offsetBytes).toBe(checkpoint.index.get('net.0.b1.conv1.conv.weight')?.offsetBytes);
  expect(entry?.name).toBe('multi_modal_projector.net.0.b1.conv1.conv.weight');
  await checkpoint.close();
});

test('a checkpoint without the part says what was looked for', async () => {
  const [text, pictures] = [await open('llama3_text'), await open('clip')];
  expect(() => towerWeights(text.index, 'text')).toThrow(WeightError);
  expect(() => towerWeights(text.index, 'text')).toThrow(
    /text: has no vision tower among its \d+ tensors; expected one of vision_model.embeddings/,
  );
  expect(() => decoderWeights(pictures.index, 'clip')).toThrow(/clip: has no language model/);
  await Promise.all([text.close(), pictures.close()]);
});
