import { expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { embedding } from '../../src/graph/embedding.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { type RandomGraph, randomGraph, valuesOf } from '../compile/random-graph.ts';
import { maxError } from '../compile/run-ir.ts';
import { f32Index } from './make-index.ts';

/** Values of all outputs after one run. */
async function runGraph(device: Device, { graph, inputs, weights }: RandomGraph, fuse: boolean) {
  const keep = fuse ? [] : [...graph.named.keys()];
  const plan = compile(graph, device.caps, { fuse, keep });
  const store = createWeightStore(device, await f32Index(weights));
  const states = createStateStore(device);
  const session = await createSession(device, plan, { weights: store, states });
  try {
    const wanted = Object.fromEntries(Object.entries(inputs).filter(([name]) => plan.inputs.has(name)));
    return await session.runAndRead(wanted, [...plan.outputs.keys()]);
  } finally {
    for (const part of [session, store, states]) part.dispose();
  }
}

describeOnAdapters('compiled random graphs', (getDevice) => {
  test.each([true, false])('agree with the interpreter, fuse: %s', { timeout: 60_000 }, async (fuse) => {
    const before = getDevice().memory.liveBytes;
    for (let seed = 100; seed < 106; seed++) {
      const random = randomGraph(seed, 12);
      const { outputs, named } = interpret(random.graph, valuesOf(random));
      const results = await runGraph(getDevice(), random, fuse);
      for (const [name, values] of Object.entries(results)) {
        const expected = outputs.get(name) ?? named.get(name);
        const scale = Math.max(1, ...(expected ?? []).map(Math.abs));
        expect(maxError(values, expected) / scale, `seed ${seed}, ${name}`).toBeLessThan(1e-5);
      }
    }
    expect(getDevice().memory.liveBytes).toBe(before);
  });
});

describeOnAdapters(
  'weights over one binding',
  (getDevice) => {
    test('are split, embedding and head sharing the parts', { timeout: 60_000 }, async () => {
      const graph = new Graph();
      const table = graph.weight('table', [200, 8], 'f32');
      const x = embedding(graph.input('ids', [2], 'u32'), table, { dtype: 'f32' });
      graph.output('x', x);
      graph.output('y', linear(x, table, { activation: 'silu' }));
      const data = Float32Array.from({ length: 1600 }, (_, i) => Math.sin(i));
      const ids = Uint32Array.of(199, 63);
      const plan = compile(graph, getDevice().caps);
      expect(plan.buffers.filter(({ kind }) => kind === 'weight')).toHaveLength(4);

      const device = getDevice();
      const weights = createWeightStore(
        device,
        await f32Index(new Map([['table', { shape: [200, 8], data }]])),
      );
      const states = createStateStore(device);
      const session = await createSession(device, plan, { weights, states });
      const { x: rows, y } = await session.runAndRead({ ids }, ['x', 'y']);
      const expected = interpret(graph, { table: data, ids }).outputs;
      expect(maxError(rows, expected.get('x'))).toBeLessThan(1e-7);
      expect(maxError(y, expected.get('y'))).toBeLessThan(1e-5);
      for (const part of [session, weights, states]) part.dispose();
    });
  },
  { limits: { maxStorageBufferBindingSize: 2000 } },
);
