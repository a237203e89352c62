import { describe, expect, test } from 'vitest';
import { elementCount } from '../../src/core/shape.ts';
import { buildTileGraph, wholeModelGraphs } from '../../src/generate/graphs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { namesOfStage } from '../../src/verify/capture.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { promptIds } from '../../src/verify/inputs.ts';
import { interpretDecoder, openGolden } from './golden.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const TOLERANCE = 1e-4;
const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

/** Values of a stage: one tensor of that name, or those numbered from 0, one after another. */
const stageValues = (graph: Graph, named: ReadonlyMap<string, Float64Array>, stage: string): Float64Array =>
  Float64Array.from(namesOfStage(graph, stage).flatMap((name) => [...(named.get(name) ?? [])]));

const GOLDENS = [
  'llava15',
  'llava_linear',
  'paligemma',
  'paligemma2',
  'gemma3',
  'llama3_text',
  'qwen2_text',
  'gemma_text',
  'gemma2_text',
  'gemma3_text',
];

describe.each(GOLDENS)('%s in f64', (name) => {
  test('every recorded intermediate', async () => {
    const { assets, model, reference, weights, root, close } = await openGolden(name);
    let compared = 0;
    for (const run of reference.runs) {
      const stages = reference
        .stages(run)
        .filter((stage) =>
          /^(vision\.|projector\.|(decoder\.)?(hidden_states|inputs_embeds)|logits)/.test(stage),
        );
      const check = async (stage: string, values: ArrayLike<number>) => {
        const expected = await reference.floats(run, stage);
        const result = compareValues({ run: run.name, stage, shape: [] }, values, expected, TOLERANCE);
        expect(result, `${run.name}.${stage}`).toMatchObject({ ok: true });
        compared++;
      };
      const visionStages = stages.filter((stage) => /^(vision|projector)\./.test(stage));
      if (visionStages.length > 0) {
        const { tile } = model.vision?.typicalLayout ?? {};
        if (!tile) throw new Error(`${name} has no vision tower`);
        const graph = buildTileGraph(model, root, F32, tile);
        const pixels = await reference.floats(run, 'inputs.pixel_values');
        const size = elementCount(tile.shape);
        const tiles = Array.from({ length: pixels.length / size }, (_, i) => {
          const pixelValues = pixels.subarray(i * size, (i + 1) * size);
          return interpret(graph, { ...weights, pixelValues }).named;
        });
        for (const stage of visionStages) {
          await check(
            stage,
            tiles.flatMap((named) => [...stageValues(graph, named, stage)]),
          );
        }
      }
      if (!stages.includes('logits')) continue;
      const [ids = []] = await promptIds(reference, run);
      const features = model.vision ? await reference.floats(run, 'projector.output') : new Float32Array();
      const { graph, named } = interpretDecoder({
        model,
        root,
        precision: F32,
        weights,
        ids,
        features,
        spans: assets.createProcessor?.().spans?.(ids, []),
      });
      for (const stage of stages.filter((s) => !visionStages.includes(s)))
        await check(stage, stageValues(graph, named, stage));
    }
    expect(compared).toBeGreaterThanOrEqual(3);
    await close();
  });

  test('no tensor is missing and none is unused', async () => {
    const { model, root, close } = await openGolden(name);
    wholeModelGraphs(model, root, F32, 1);
    expect(root.finish()).toEqual([]);
    await close();
  });
});
