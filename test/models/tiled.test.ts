import { describe, expect, test } from 'vitest';
import { buildPackGraph, buildTileGraph, wholeModelGraphs } from '../../src/generate/graphs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { makePrompt, referenceTiles } from '../../src/verify/inputs.ts';
import { openGolden } from './golden.ts';
import { relativeError } from './part.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const TOLERANCE = 1e-4;
const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const VISION_STAGE = /^(vision|projector|pooler|connector)\./;

/** Name → vision stages recorded for all of its runs together. */
const GOLDENS = {
  smolvlm: 7,
  smolvlm_video: 2,
  idefics3: 2,
  llava_next: 2,
  llava_next_video: 4,
  llava_onevision: 6,
  llava_onevision_clip: 3,
};

describe.each(Object.entries(GOLDENS))('%s in f64', (name, stages) => {
  test('every recorded intermediate of tower, connector and packing', async () => {
    const { assets, files, model, reference, weights, root, close } = await openGolden(name);
    let compared = 0;
    for (const run of reference.runs) {
      const { media } = (await makePrompt(assets, files, run, '')).prompt;
      const values = new Map<string, number[]>();
      const collect = (graph: Graph, inputs: Readonly<Record<string, ArrayLike<number>>>): number[] => {
        const { named, outputs } = interpret(graph, { ...weights, ...inputs });
        for (const [stage, own] of named) values.set(stage, [...(values.get(stage) ?? []), ...own]);
        return [...outputs.values()].flatMap((own) => [...own]);
      };
      const tiles = await referenceTiles(reference, run, media);
      for (const [i, { layout }] of media.entries()) {
        const graph = buildTileGraph(model, root, F32, layout.tile);
        const tileFeatures = (tiles[i] ?? []).flatMap((pixelValues) => collect(graph, { pixelValues }));
        const shape = graph.outputs.get('tileFeatures')?.shape ?? [];
        const pack = buildPackGraph(model, root, F32, layout, shape);
        if (pack) collect(pack, { tileFeatures });
      }
      for (const stage of reference.stages(run).filter((one) => VISION_STAGE.test(one))) {
        const error = relativeError(values.get(stage), await reference.floats(run, stage));
        expect(error, `${run.name}.${stage}`).toBeLessThan(TOLERANCE);
        compared++;
      }
    }
    expect(compared).toBe(stages);
    await close();
  });

  test('no tensor is missing and none is unused', async () => {
    const { model, root, close } = await openGolden(name);
    wholeModelGraphs(model, root, F32, 1);
    expect(root.finish()).toEqual([]);
    await close();
  });
});
