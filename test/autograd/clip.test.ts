import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { compileTraining } from '../../src/compile/compile.ts';
import { readContrastiveAssets } from '../../src/embed/contrastive-assets.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { infoNce } from '../../src/models/losses/info-nce.ts';
import { bindParameters } from '../../src/models/parameters.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { randomSource } from '../compile/random.ts';
import { relativeError } from '../models/part.ts';
import { goldenPath, goldenTensorNames, readGoldenTensors } from '../read-golden.ts';

/** Of the step along a direction, in f64. */
const STEP = 1e-4;
const F64_TOLERANCE = 1e-5;
/** Of torch's gradient, relative to its RMS. */
const TOLERANCE = 1e-3;
/** Moves all scores of a query alike, which the softmax does not see: what gradient there is, is rounding. */
const WITHOUT_GRADIENT = /k_proj\.bias$/;

const TORCH = 'clip_gradients/reference.safetensors';

const PAIRS = 3;

/** The contrastive loss of the first pairs of the golden, as a function of all of CLIP's weights. */
async function openClip() {
  const files = await folderFiles(fileURLToPath(goldenPath('clip')));
  const { model } = await readContrastiveAssets(files);
  const checkpoint = await openCheckpoint(files);
  const reference = readGoldenTensors('clip/reference.safetensors');
  const ids = reference('inputs.input_ids');
  const [, seq = 0] = ids.shape;
  const rows = Array.from({ length: PAIRS }, (_, i) => [...ids.data.slice(i * seq, (i + 1) * seq)]);
  const names = [...checkpoint.index.values()].filter(({ dtype }) => dtype === 'F32').map(({ name }) => name);

  const build = () => {
    const graph = new Graph();
    const root = weightScope(checkpoint.index, 'clip');
    const w = bindParameters(graph, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' });
    const pixelValues = graph.input('pixelValues', [PAIRS, ...model.vision.imageShape], 'f32');
    const idsInput = graph.input('ids', [PAIRS, seq], 'u32');
    const pooledRows = graph.input('pooledRows', [PAIRS], 'u32');
    const image = model.encodeImage(pixelValues, w);
    const text = model.encodeText(idsInput, pooledRows, w, 'f32');
    const logScale = w.get(model.logitScale.name, model.logitScale.shape);
    const loss = graph.output('loss', infoNce({ image, text, logScale }));
    return { graph, loss };
  };
  const weights: Record<string, Float32Array> = {};
  for (const name of names) {
    const entry = checkpoint.index.get(name);
    if (entry) weights[name] = await readTensor(entry, 'f32');
  }
  const inputs = {
    pixelValues: reference('inputs.pixel_values').data as Float32Array,
    ids: Uint32Array.from(rows.flat()),
    pooledRows: Uint32Array.from(rows, (row, i) => i * seq + model.pooledPosition(row)),
  };
  const withGradients = () => {
    const { graph, loss } = build();
    const wrt = names.map((name) => graph.weight(name, checkpoint.index.get(name)?.shape ?? [], 'f32'));
    grad(loss, wrt).forEach((gradient, i) => {
      graph.output(names[i] ?? '', gradient);
    });
    return graph;
  };
  const expectedLoss = reference('contrastive_loss_first3').data[0] ?? Number.NaN;
  return { checkpoint, build, withGradients, names, weights, inputs, expectedLoss };
}

test('the loss of CLIP in f64 is that of transformers, its gradients those of finite differences', async () => {
  const { build, withGradients, names, weights, inputs, expectedLoss, checkpoint } = await openClip();
  const { outputs } = interpret(withGradients(), { ...weights, ...inputs });
  expect(outputs.get('loss')?.[0]).toBeCloseTo(expectedLoss, 5);
  expect(names.length).toBeGreaterThan(100);

  // Two random directions over all weights at once, and one over each third tensor alone.
  const { graph } = build();
  const random = randomSource(5);
  const lossAt = (values: Readonly<Record<string, ArrayLike<number>>>): number =>
    interpret(graph, { ...weights, ...inputs, ...values }).outputs.get('loss')?.[0] ?? Number.NaN;
  const wrong: string[] = [];
  const directions = [names, names, ...names.filter((_, i) => i % 3 === 0).map((name) => [name])];
  for (const group of directions) {
    let slope = 0;
    const [above, below]: Record<string, Float64Array>[] = [{}, {}];
    let norm = 0;
    for (const name of group) {
      const value = weights[name] ?? new Float32Array();
      const gradient = outputs.get(name) ?? new Float64Array();
      const direction = Float64Array.from(value, () => (2 * random() - 1) / Math.sqrt(group.length));
      direction.forEach((d, i) => {
        slope += d * (gradient[i] ?? Number.NaN);
        norm += (gradient[i] ?? 0) ** 2;
      });
      if (above) above[name] = direction.map((d, i) => (value[i] ?? 0) + STEP * d);
      if (below) below[name] = direction.map((d, i) => (value[i] ?? 0) - STEP * d);
    }
    const difference = (lossAt(above ?? {}) - lossAt(below ?? {})) / (2 * STEP);
    // The bias of keys has no gradient at all: there the difference is rounding alone.
    const error = Math.abs(slope - difference) / Math.max(Math.sqrt(norm), 1e-5);
    if (!(error < F64_TOLERANCE)) wrong.push(`${group.length} ${group[0]}: ${slope} for ${difference}`);
  }
  expect(wrong).toEqual([]);
  await checkpoint.close();
});

describeOnAdapters('the whole of CLIP', (getDevice) => {
  test('has the gradients of torch, for each of its weights', async () => {
    const device = getDevice();
    const { withGradients, names, inputs, checkpoint } = await openClip();
    const recorded = goldenTensorNames(TORCH);
    expect(recorded).toEqual(new Set(['loss', ...names.map((name) => `grad.${name}`)]));
    const torch = readGoldenTensors(TORCH);
    const store = createWeightStore(device, checkpoint.index);
    const states = createStateStore(device);
    const plan = compileTraining(withGradients(), device.caps);
    const session = await createSession(device, plan, { weights: store, states });
    try {
      const values = await session.runAndRead(inputs, ['loss', ...names]);
      expect(values.loss?.[0]).toBeCloseTo(torch('loss').data[0] ?? Number.NaN, 4);
      const largest = Math.max(...names.map((name) => rootMeanSquare(torch(`grad.${name}`).data)));
      const wrong = names.flatMap((name) => {
        const { data, shape } = torch(`grad.${name}`);
        expect([...shape]).toEqual(checkpoint.index.get(name)?.shape);
        const error = WITHOUT_GRADIENT.test(name)
          ? rootMeanSquare(values[name] ?? []) / largest
          : relativeError(values[name], data);
        return error <= TOLERANCE ? [] : [`${name}: ${error}`];
      });
      expect(wrong).toEqual([]);
      expect(names).toHaveLength(110);
    } finally {
      for (const part of [session, store, states]) part.dispose();
      await checkpoint.close();
    }
  });
});

const rootMeanSquare = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);
