import { expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { dequantizeRows } from '../../src/core/block-quantize.ts';
import { isPacked } from '../../src/core/dtype.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { captureGraph } from '../../src/generate/capture-graph.ts';
import { buildTileGraph, wholeModelGraphs } from '../../src/generate/graphs.ts';
import { summarizeWeights } from '../../src/generate/weights-summary.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createWeightStore, type WeightBuffer, type WeightStore } from '../../src/runtime/weight-store.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { makePrompt } from '../../src/verify/inputs.ts';
import type { ReferenceRun } from '../../src/verify/reference.ts';
import { captureDecoder } from '../../src/verify/stages.ts';
import { describeOnAdapters } from '../adapters.ts';
import { type HostWeights, interpretDecoder, openGolden } from './golden.ts';

/** What rounding costs normal values, and the most it may cost a tensor of these goldens. */
const ERRORS = { q8: [0.0054, 0.0062], q4: [0.082, 0.094] } as const;

/** The values of packed tensors as they lie on the GPU, by name. */
async function readPacked(
  device: Device,
  store: WeightStore,
  buffers: readonly WeightBuffer[],
): Promise<HostWeights> {
  const values: Record<string, Float32Array> = {};
  for (const wanted of buffers) {
    if (!isPacked(wanted.dtype)) continue;
    const buffer = store.buffer(wanted);
    const words = new Uint32Array(await device.readBuffer(buffer, 0, buffer.size));
    values[wanted.name] = Float32Array.from(dequantizeRows(words, wanted.shape[1] ?? 0, wanted.dtype));
  }
  return values;
}

describeOnAdapters('weights of few bits', (getDevice) => {
  test.for([
    ['llama3_text', 'q8'],
    ['llama3_text', 'q4'],
    ['qwen2_text', 'q4'],
    ['llava15', 'q8'],
    ['llava15', 'q4'],
  ] as const)('%s in %s agrees with f64 on its rounded weights', async ([name, dtype]) => {
    const device = getDevice();
    const { files, assets, model, reference, weights, index, root, close } = await openGolden(name);
    const precision: Precision = { weights: dtype, activations: 'f32', kvCache: 'f32' };
    const store = createWeightStore(device, index);
    const runtime = { device, model, weightScope: root, weights: store, precision };
    try {
      const plans = wholeModelGraphs(model, root, precision, 8).map((graph) => compile(graph, device.caps));
      await store.load(plans);
      const buffers = plans.flatMap((plan) => plan.buffers).filter((buffer) => buffer.kind === 'weight');
      const packed = await readPacked(device, store, buffers);
      const rounded = { ...weights, ...packed };

      const run = reference.runs[0] as ReferenceRun;
      const { prompt } = await makePrompt(assets, files, run, run.prompts[0] ?? '');
      const captured = await captureDecoder(runtime, reference, run, prompt, ['logits']);
      const features = model.vision ? await reference.floats(run, 'projector.output') : new Float32Array();
      const ids = prompt.tokenIds;
      const { named } = interpretDecoder({ model, root, precision, weights: rounded, ids, features });
      const where = { run: run.name, stage: 'logits', shape: [] };
      const logits = captured.get('logits') ?? [];
      expect(compareValues(where, logits, named.get('logits') ?? [], 1e-4)).toMatchObject({ ok: true });

      const { tile } = model.vision?.typicalLayout ?? {};
      if (tile) {
        const graph = buildTileGraph(model, root, precision, tile);
        const pixelValues = await reference.floats(run, 'inputs.pixel_values');
        const [tower] = await captureGraph(runtime, graph, ['tileFeatures'], [{ pixelValues }]);
        const { outputs } = interpret(graph, { ...rounded, pixelValues });
        const expected = outputs.get('tileFeatures') ?? [];
        expect(compareValues(where, tower?.tileFeatures ?? [], expected, 1e-4)).toMatchObject({ ok: true });
      }

      const [usual, most] = ERRORS[dtype];
      expect([...store.rounding.keys()].sort()).toEqual(Object.keys(packed).sort());
      for (const [tensor, { relativeError }] of store.rounding) {
        const exact = weights[tensor] ?? new Float32Array();
        const squares = exact.reduce((sum, value) => sum + value ** 2, 0);
        const errors = exact.reduce((sum, value, i) => sum + (value - (packed[tensor]?.[i] ?? 0)) ** 2, 0);
        expect(relativeError).toBeCloseTo(Math.sqrt(errors / squares), 5);
        expect(relativeError).toBeLessThan(most);
      }
      const { rounding } = summarizeWeights(store);
      expect(rounding?.tensors).toBe(store.rounding.size);
      expect(rounding?.meanRelativeError).toBeGreaterThan(0.8 * usual);
      expect(rounding?.worst.relativeError).toBeLessThan(most);
      expect(Object.keys(packed).filter((tensor) => /norm|bias|patch|position/.test(tensor))).toEqual([]);
    } finally {
      store.dispose();
      await close();
    }
  });
});
