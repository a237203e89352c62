import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { ShapeError } from '../../src/core/errors.ts';
import { bufferUsage } from '../../src/device/buffer-usage.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { buildPoolingGraph, poolFrame } from '../../src/generate/frame-pooler.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import {
  pooledFrames,
  poolFrames,
  TEMPORAL_POOLINGS,
  type TemporalPooling,
} from '../../src/models/blocks/temporal-pooling.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { relativeError } from './part.ts';

const [T, C] = [5, 12];
const KINDS = TEMPORAL_POOLINGS;
/** Frames and windows: even, a shorter last window, one window, windows of one frame, one frame. */
const SIZES = [
  [8, 4],
  [7, 3],
  [6, 6],
  [3, 9],
  [4, 1],
  [1, 2],
] as const;
const cases = KINDS.flatMap((kind) => SIZES.map(([frames, window]) => ({ kind, frames, window })));

const values = (length: number, seed: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => 3 * Math.sin(seed + i * 12.9898));

/** By the definition, in f64, token by token. */
function expected(
  features: Float32Array,
  frames: number,
  { kind, window }: TemporalPooling,
  query?: Float32Array,
): Float64Array {
  const pooled = new Float64Array(Math.ceil(frames / window) * T * C);
  const at = (frame: number, token: number, c: number): number => features[(frame * T + token) * C + c] ?? 0;
  for (let w = 0; w * window < frames; w++) {
    const inside = Array.from({ length: Math.min(window, frames - w * window) }, (_, i) => w * window + i);
    const [first = 0] = inside;
    for (let token = 0; token < T; token++) {
      const score = (frame: number): number => {
        let sum = 0;
        for (let c = 0; c < C; c++)
          sum += at(frame, token, c) * (query?.[token * C + c] ?? at(first, token, c));
        return sum / Math.sqrt(C);
      };
      const peak = Math.max(...inside.map(score));
      const exps = inside.map((frame) => Math.exp(score(frame) - peak));
      const total = exps.reduce((sum, value) => sum + value, 0);
      for (let c = 0; c < C; c++) {
        const column = inside.map((frame) => at(frame, token, c));
        pooled[(w * T + token) * C + c] = {
          mean: column.reduce((sum, value) => sum + value, 0) / column.length,
          max: Math.max(...column),
          stride: column[0] ?? 0,
          attention: column.reduce((sum, value, i) => sum + (value * (exps[i] ?? 0)) / total, 0),
        }[kind];
      }
    }
  }
  return pooled;
}

function wholeGraph(frames: number, pooling: TemporalPooling, hasQuery = false): Graph {
  const graph = new Graph();
  const query = hasQuery ? graph.input('query', [T, C], 'f32') : undefined;
  graph.output('pooled', poolFrames(graph.input('features', [frames, T, C], 'f32'), pooling, query));
  return graph;
}

describe('whole windows in f64', () => {
  test.each(cases)('$kind of $frames frames by $window', ({ kind, frames, window }) => {
    const features = values(frames * T * C, 1);
    const graph = wholeGraph(frames, { kind, window });
    const pooled = interpret(graph, { features }).outputs.get('pooled');
    expect(graph.outputs.get('pooled')?.shape).toEqual([pooledFrames(frames, { kind, window }), T, C]);
    expect(relativeError(pooled, expected(features, frames, { kind, window }))).toBeLessThan(1e-6);
  });

  test('attention with a learned query', () => {
    const [features, query] = [values(7 * T * C, 1), values(T * C, 5)];
    const pooling = { kind: 'attention', window: 4 } as const;
    const pooled = interpret(wholeGraph(7, pooling, true), { features, query }).outputs.get('pooled');
    expect(relativeError(pooled, expected(features, 7, pooling, query))).toBeLessThan(1e-6);
  });

  test('a window of no frames, or of half ones, is refused', () => {
    for (const window of [0, -1, 1.5]) {
      expect(() => wholeGraph(4, { kind: 'mean', window })).toThrow(ShapeError);
    }
  });
});

async function run(device: Device, graph: Graph, inputs: Record<string, Float32Array>) {
  const weights = createWeightStore(device, new Map());
  const states = createStateStore(device);
  const session = await createSession(device, compile(graph, device.caps), { weights, states });
  try {
    return await session.runAndRead(inputs, ['pooled']);
  } finally {
    for (const owner of [session, weights, states]) owner.dispose();
  }
}

const streamed = ['mean', 'max', 'attention'] as const;

describe('frame by frame in f64', () => {
  test.each(streamed)('%s is what whole windows give', (kind) => {
    const frames = 6;
    const features = values(frames * T * C, 1);
    const graph = buildPoolingGraph(kind, T, C);
    let state: Record<string, ArrayLike<number>> = {};
    for (let i = 0; i < frames; i++) {
      const frame = features.subarray(i * T * C, (i + 1) * T * C);
      if (i === 0)
        state = {
          pooled: frame,
          query: frame,
          peak: new Float32Array(T).fill(-1e30),
          total: new Float32Array(T),
        };
      state = Object.fromEntries(interpret(graph, { frame, ...state, count: [i + 1] }).outputs);
    }
    expect(relativeError(state.pooled, expected(features, frames, { kind, window: frames }))).toBeLessThan(
      1e-6,
    );
  });
});

describeOnAdapters('temporal pooling', (getDevice) => {
  test.each(streamed)('%s frame by frame, in windows one after another', async (kind) => {
    const [frames, window] = [7, 3];
    const features = values(frames * T * C, 1);
    const device = getDevice();
    const weights = createWeightStore(device, new Map());
    const states = createStateStore(device);
    const plan = compile(buildPoolingGraph(kind, T, C), device.caps);
    const session = await createSession(device, plan, { weights, states });
    const buffer = device.createBuffer({
      label: 'frames',
      byteLength: features.byteLength,
      usage: bufferUsage.copySrc | bufferUsage.copyDst,
    });
    device.gpu.queue.writeBuffer(buffer, 0, features);
    const byteLength = 4 * T * C;
    const pooled: number[] = [];
    for (let i = 0; i < frames; i++) {
      poolFrame(session, { buffer, offset: i * byteLength, byteLength }, 1 + (i % window));
      if ((i + 1) % window === 0 || i + 1 === frames) pooled.push(...(await session.read('pooled')));
    }
    expect(relativeError(pooled, expected(features, frames, { kind, window }))).toBeLessThan(1e-5);
    device.destroyBuffer(buffer);
    for (const owner of [session, weights, states]) owner.dispose();
  });

  test.each(cases)('$kind of $frames frames by $window', async ({ kind, frames, window }) => {
    const features = values(frames * T * C, 1);
    const { pooled } = await run(getDevice(), wholeGraph(frames, { kind, window }), { features });
    expect(relativeError(pooled, expected(features, frames, { kind, window }))).toBeLessThan(1e-5);
  });
});
