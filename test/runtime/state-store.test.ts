import { expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { InputError } from '../../src/core/errors.ts';
import { cacheAppend } from '../../src/graph/cache-append.ts';
import { Graph } from '../../src/graph/graph.ts';
import { scale } from '../../src/graph/math.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';

/** Appends `tokens` rows of two values to a cache of `capacity` rows; gives the cache doubled. */
function appendGraph(tokens: number, capacity: number): Graph {
  const graph = new Graph();
  const x = graph.input('x', [1, tokens, 1, 2], 'f32');
  const cache = graph.state('cache', [1, capacity, 1, 2], 'f32');
  graph.output('doubled', scale(cacheAppend(cache, x, graph.input('past', [1], 'u32')), 2));
  return graph;
}

describeOnAdapters('state store', (getDevice) => {
  test('sessions of different plans append to one cache, and reset empties it', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const weights = createWeightStore(device, new Map());
    const states = createStateStore(device);
    const open = (tokens: number) =>
      createSession(device, compile(appendGraph(tokens, 4), device.caps), { weights, states });
    const [two, one] = await Promise.all([open(2), open(1)]);
    expect(states.byteLength).toBe(32);

    two.run({ x: Float32Array.of(1, 2, 3, 4), past: Uint32Array.of(0) });
    const first = await one.runAndRead({ x: Float32Array.of(5, 6), past: Uint32Array.of(2) }, ['doubled']);
    expect([...(first.doubled ?? [])]).toEqual([2, 4, 6, 8, 10, 12, 0, 0]);

    states.reset();
    const second = await one.runAndRead({ x: Float32Array.of(7, 8), past: Uint32Array.of(1) }, ['doubled']);
    expect([...(second.doubled ?? [])]).toEqual([0, 0, 14, 16, 0, 0, 0, 0]);

    for (const part of [one, two, weights, states]) part.dispose();
    expect(device.memory.liveBytes).toBe(before);
  });

  test('refuses plans that disagree on the size of a state', () => {
    const device = getDevice();
    const states = createStateStore(device);
    states.add(compile(appendGraph(1, 4), device.caps));
    expect(() => states.add(compile(appendGraph(1, 5), device.caps))).toThrow(InputError);
    states.dispose();
  });
});
