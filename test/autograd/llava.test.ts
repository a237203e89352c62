import { expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { compileTraining } from '../../src/compile/compile.ts';
import { crossEntropy } from '../../src/graph/cross-entropy.ts';
import { Graph } from '../../src/graph/graph.ts';
import { reshape } from '../../src/graph/movement.ts';
import { spliceRows } from '../../src/graph/splice-rows.ts';
import type { Model } from '../../src/models/model.ts';
import { bindParameters, type Precision } from '../../src/models/parameters.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { imageFeatureRows } from '../../src/text/image-tokens.ts';
import type { WeightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { openGolden } from '../models/golden.ts';
import { openGoldenFile, relativeError } from '../models/part.ts';
import { readGoldenTensors } from '../read-golden.ts';

/** Of torch's gradient, relative to its RMS. */
const TOLERANCE = 1e-3;
/** The softmax does not see what is added to all scores of a row, so the bias of keys has no gradient but rounding. */
const WITHOUT_GRADIENT = /k_proj\.bias$/;

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

/** Tower, projector, decoder and loss in one graph. */
function lossGraph(model: Model, weights: WeightScope, tokens: number) {
  const { vision, encodeTile } = model;
  if (!vision || !encodeTile) throw new Error('LLaVA has a vision tower');
  const graph = new Graph();
  const w = bindParameters(graph, weights, F32);
  const { tile } = vision.typicalLayout;
  const features = encodeTile(graph.input('pixelValues', [1, ...tile.shape], 'f32'), tile, w);
  const embeds = model.embedTokens(graph.input('ids', [1, tokens], 'u32'), w, 'f32');
  const inputsEmbeds = spliceRows(embeds, features, graph.input('imageIndex', [1, tokens], 'i32'));
  const hiddenStates = model.decode(inputsEmbeds, w, {
    positions: graph.input('positions', [1, tokens], 'u32'),
    past: graph.input('past', [1], 'u32'),
    capacity: tokens,
    kvCacheDType: 'f32',
  });
  const logits = model.logits(reshape(hiddenStates, [tokens, model.text.hiddenSize]), w);
  return { graph, loss: crossEntropy(logits, graph.input('labels', [tokens], 'i32')) };
}

describeOnAdapters('the whole of LLaVA', (getDevice) => {
  test('has the gradients of torch, for each of its weights', async () => {
    const device = getDevice();
    const { model, index, root, close } = await openGolden('llava15');
    const recorded = await openGoldenFile('llava15_gradients/reference.safetensors');
    const golden = readGoldenTensors('llava15_gradients/reference.safetensors');
    const inputs = readGoldenTensors('llava15/reference.safetensors');
    const ids = Uint32Array.from(inputs('chat.inputs.input_ids').data);
    const { graph, loss } = lossGraph(model, root, ids.length);
    const names = [...recorded.keys()].filter((name) => name.startsWith('grad.'));
    const weights = names.map((name) => {
      const entry = index.get(name.slice('grad.'.length));
      if (!entry) throw new Error(`the checkpoint has no tensor for ${name}`);
      return graph.weight(entry.name, entry.shape, 'f32');
    });
    graph.output('loss', loss);
    grad(loss, weights).forEach((gradient, i) => {
      graph.output(names[i] ?? '', gradient);
    });

    const store = createWeightStore(device, index);
    const states = createStateStore(device);
    const session = await createSession(device, compileTraining(graph, device.caps), {
      weights: store,
      states,
    });
    try {
      const tokenId = model.vision?.imageTokenId ?? -1;
      const values = await session.runAndRead(
        {
          ids,
          pixelValues: Float32Array.from(inputs('chat.inputs.pixel_values').data),
          imageIndex: imageFeatureRows([...ids], [{ tokenId, count: 16 }]),
          positions: Uint32Array.from(ids, (_, i) => i),
          past: Uint32Array.of(0),
          labels: Int32Array.from(golden('labels').data),
        },
        ['loss', ...names],
      );
      expect(values.loss?.[0]).toBeCloseTo(golden('loss').data[0] ?? Number.NaN, 4);
      const wrong: string[] = [];
      for (const name of names) {
        const { data } = golden(name);
        const actual = values[name] ?? [];
        const error = WITHOUT_GRADIENT.test(name)
          ? Math.max(...Array.from(actual, Math.abs))
          : relativeError(actual, data);
        if (!(error <= TOLERANCE)) wrong.push(`${name}: ${error}`);
      }
      expect(wrong).toEqual([]);
      expect(names).toHaveLength(71);
    } finally {
      for (const part of [session, store, states]) part.dispose();
      await close();
    }
  });
});
