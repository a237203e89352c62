import { expect, test, vi } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { DeviceError } from '../../src/core/errors.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { cacheAppend } from '../../src/graph/cache-append.ts';
import { Graph } from '../../src/graph/graph.ts';
import { scale } from '../../src/graph/math.ts';
import { softmax } from '../../src/graph/softmax.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { warmUp } from '../../src/runtime/warm-up.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';

/** Appends a row to a cache of four, and gives the softmax of all of it. */
function cacheGraph(): Graph {
  const graph = new Graph();
  const x = graph.input('x', [1, 1, 1, 2], 'f32');
  const cache = cacheAppend(graph.state('cache', [1, 4, 1, 2], 'f32'), x, graph.input('past', [1], 'u32'));
  graph.output('y', softmax(scale(cache, 2)));
  return graph;
}

describeOnAdapters('warm-up', (getDevice, adapter) => {
  test('makes and runs every pipeline once, so that sessions make none', async () => {
    const device = await requestDevice({ adapter });
    try {
      const plan = compile(cacheGraph(), device.caps);
      const before = device.memory.liveBytes;
      const total = plan.pipelines.length;
      const seen: string[] = [];
      const submit = vi.spyOn(device.gpu.queue, 'submit');
      await warmUp(device, [plan, plan], { onProgress: (done, all) => seen.push(`${done} of ${all}`) });
      expect(total).toBeGreaterThan(1);
      expect(device.pipelineCount).toBe(total);
      expect(seen).toEqual(Array.from({ length: total }, (_, i) => `${i + 1} of ${total}`));
      expect(submit).toHaveBeenCalledTimes(total);
      expect(device.memory.liveBytes).toBe(before);

      // What is warm already runs no more.
      await warmUp(device, [plan]);
      expect(submit).toHaveBeenCalledTimes(total);
      const [weights, states] = [createWeightStore(device, new Map()), createStateStore(device)];
      await createSession(device, plan, { weights, states });
      expect(device.pipelineCount).toBe(total);
    } finally {
      device.dispose();
    }
  });

  test('touches no state, input or output of a session', async () => {
    const device = await requestDevice({ adapter });
    try {
      const plan = compile(cacheGraph(), device.caps);
      const [weights, states] = [createWeightStore(device, new Map()), createStateStore(device)];
      const session = await createSession(device, plan, { weights, states });
      states.write('cache', Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
      // The session has made the pipelines, and nothing has run.
      await warmUp(device, [plan]);
      expect([...(await states.read('cache'))]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect([...(await session.read('y'))]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    } finally {
      device.dispose();
    }
  });

  test('runs nothing once it is aborted', async () => {
    const device = getDevice();
    const submit = vi.spyOn(device.gpu.queue, 'submit');
    const progress = vi.fn();
    await warmUp(device, [compile(cacheGraph(), device.caps)], {
      onProgress: progress,
      signal: AbortSignal.abort(),
    });
    expect(submit).not.toHaveBeenCalled();
    expect(progress).not.toHaveBeenCalled();
    submit.mockRestore();
  });

  test('names the kernel that does not compile, and leaves nothing behind', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const plan = compile(cacheGraph(), device.caps);
    const pipelines = plan.pipelines.map((pipeline, i) =>
      i === 1 ? { ...pipeline, label: 'broken', code: 'fn main() { nonsense }' } : pipeline,
    );
    const failing = warmUp(device, [{ ...plan, pipelines }]);
    await expect(failing).rejects.toBeInstanceOf(DeviceError);
    await expect(failing).rejects.toThrow(/pipeline broken/);
    expect(device.memory.liveBytes).toBe(before);
  });

  test('no plans need nothing', async () => {
    const device = getDevice();
    const { pipelineCount } = device;
    await warmUp(device, []);
    expect(device.pipelineCount).toBe(pipelineCount);
  });
});
