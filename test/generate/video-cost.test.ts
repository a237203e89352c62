import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { planSummary } from '../../src/compile/explain.ts';
import { readAssets } from '../../src/generate/checkpoint-assets.ts';
import { buildDecoderGraph } from '../../src/generate/graphs.ts';
import { BASELINE } from '../../src/generate/inspect.ts';
import { openModelFiles } from '../../src/generate/model-files.ts';
import { choosePrecision } from '../../src/generate/precision.ts';
import { type VideoModel, videoCost } from '../../src/generate/video-cost.ts';
import { type Checkpoint, openCheckpoint } from '../../src/weights/checkpoint.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';

/** The built-in model's sizes. */
const [T, C, F, V] = [64, 192, 512, 768];
const [HEADS, HEAD_DIM, KV_WIDTH, LAYERS] = [6, 32, 64, 4];

describe('what a video takes in the built-in model', () => {
  let parts: VideoModel;
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    const files = await openModelFiles('models/demo');
    checkpoint = await openCheckpoint(files);
    const { model, createProcessor } = await readAssets(files);
    if (!createProcessor) throw new Error('the built-in model sees');
    const weights = weightScope(checkpoint.index, files.name);
    const precision = choosePrecision('f32', BASELINE, checkpoint.index);
    parts = { model, weights, precision, processor: createProcessor() };
  });
  afterAll(() => checkpoint.close());

  test('tower and projector cost what their products do, times the frames', () => {
    const { flops } = videoCost(parts, { frames: 10 }).unpooled;
    const tokens = T + 1;
    // Five of six layers: the second to last is taken. Projections and MLP of four widths, then q·k and p·v.
    const layers = 5 * (2 * tokens * (4 * C * C + 2 * C * 4 * C) + 4 * tokens * tokens * C);
    const patches = 2 * T * (3 * 16 * 16) * C;
    const projector = 2 * 2 * T * C * C;
    const products = 10 * (layers + patches + projector);
    expect(flops.vision).toBeGreaterThan(products);
    expect(flops.vision).toBeLessThan(1.03 * products);
    expect(flops.pooling).toBe(0);
    expect(flops.total).toBe(flops.vision + flops.prefill);
  });

  test('prefill costs what the passes do that generate makes', () => {
    const { tokens, flops } = videoCost(parts, { frames: 20 }).unpooled;
    expect(tokens).toBe(20 * T);
    const passes = [
      [512, 512],
      [512, 1024],
      [256, 1280],
    ] as const;
    const compiled = passes.map(([seq, capacity]) => {
      const shape = { seq, capacity, imageRows: 0, spans: false, picker: 'greedy' } as const;
      const graph = buildDecoderGraph(parts.model, parts.weights, parts.precision, shape);
      return planSummary(compile(graph, BASELINE)).flops;
    });
    expect(flops.prefill).toBeCloseTo(
      compiled.reduce((sum, value) => sum + value),
      -1,
    );
    const linear = 2 * LAYERS * (2 * C * C + 2 * C * KV_WIDTH + 3 * C * F);
    const scores = passes.reduce((sum, [seq, keys]) => sum + 4 * HEADS * HEAD_DIM * LAYERS * seq * keys, 0);
    const products = tokens * linear + scores + passes.length * 2 * C * V;
    expect(flops.prefill).toBeGreaterThan(products);
    expect(flops.prefill).toBeLessThan(1.06 * products);
  });

  test('pooling leaves the tower its work, and takes it from the decoder and the memory', () => {
    const { unpooled, pooled } = videoCost(parts, { frames: 64, pooling: { kind: 'mean', window: 4 } });
    expect(pooled?.flops.vision).toBe(unpooled.flops.vision);
    // Three operations a value.
    expect(pooled?.flops.pooling).toBe(64 * 3 * T * C);
    expect([unpooled.tokens, pooled?.tokens]).toEqual([64 * T, 16 * T]);
    expect([unpooled.memory.kvCache, pooled?.memory.kvCache]).toEqual([64 * T * 2048, 16 * T * 2048]);
    // Once as they come from the tower, once as the decoder takes them.
    expect([unpooled.memory.features, pooled?.memory.features]).toEqual([
      2 * 64 * T * C * 4,
      2 * 16 * T * C * 4,
    ]);
    expect(pooled?.memory.towerScratch).toBe(unpooled.memory.towerScratch);
    expect(pooled?.flops.prefill).toBeLessThan(unpooled.flops.prefill / 4);
  });

  test('a stride leaves out the tower as well', () => {
    const { unpooled, pooled } = videoCost(parts, { frames: 64, pooling: { kind: 'stride', window: 4 } });
    expect(pooled).toMatchObject({ towerRuns: 16, tokens: 16 * T });
    expect(pooled?.flops.vision).toBe(unpooled.flops.vision / 4);
  });

  test('what fits is counted with a token left for a question', () => {
    expect(videoCost(parts, { frames: 7 })).toMatchObject({ fittingFrames: 7, unpooled: { fits: true } });
    expect(videoCost(parts, { frames: 8 })).toMatchObject({
      contextTokens: 512,
      fittingFrames: 7,
      unpooled: { tokens: 512, fits: false },
    });
    expect(videoCost(parts, { frames: 3, contextTokens: 192 })).toMatchObject({
      fittingFrames: 2,
      unpooled: { tokens: 192, fits: false },
    });
    const all = videoCost(parts, { frames: 1000, pooling: { kind: 'attention' } });
    expect(all.pooled).toMatchObject({ towerRuns: 1000, tokens: T, fits: true });
  });
});
