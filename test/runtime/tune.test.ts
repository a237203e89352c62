import { expect, test, vi } from 'vitest';
import { candidateLabel } from '../../src/compile/choose.ts';
import { compile, kernelCalls, kernelCandidates } from '../../src/compile/compile.ts';
import { attention } from '../../src/graph/attention.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { reshape } from '../../src/graph/movement.ts';
import { softmax } from '../../src/graph/softmax.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { callBuffers } from '../../src/runtime/candidate-run.ts';
import { tuneCalls } from '../../src/runtime/tune.ts';
import { describeOnAdapters } from '../adapters.ts';

/** A product whose bias is smaller than a vector, and a softmax; the reshape has no kernel. */
function small(): Graph {
  const graph = new Graph();
  const x = graph.input('x', [3, 8], 'f32');
  const product = linear(x, graph.weight('weight', [2, 8], 'f32'), {
    bias: graph.weight('bias', [2], 'f32'),
  });
  graph.output('y', softmax(reshape(product, [6])));
  return graph;
}

describeOnAdapters('tuneCalls', (getDevice) => {
  test('measures every call that has a choice, and the winners are what compile takes', async () => {
    const device = getDevice();
    const calls = kernelCalls(small(), device.caps);
    const progress: string[] = [];
    const memory = device.memory.liveBytes;
    const tuned = await tuneCalls(device, calls, {
      onProgress: (done, total, op) => progress.push(`${done}/${total} ${op}`),
    });
    expect(progress).toEqual(['0/2 linear', '1/2 softmax']);
    expect(device.memory.liveBytes).toBe(memory);
    expect(tuned.map(({ op, types }) => `${op}: ${types}`)).toEqual([
      'linear: x f32 [3, 8], weight f32 [2, 8], bias f32 [2]',
      'softmax: x f32 [6]',
    ]);
    for (const call of tuned) {
      const node = calls.get(call.signature);
      if (!node) throw new Error(`no call ${call.signature}`);
      const labels = kernelCandidates(node, device.caps).candidates.map(candidateLabel);
      expect(call.untuned.label).toBe(labels[0]);
      expect(call.measured.length).toBeGreaterThan(1);
      expect(labels).toEqual(expect.arrayContaining(call.measured.map(({ label }) => label)));
      for (const { ms } of call.measured) expect(ms).toBeGreaterThan(0);
      expect(call.tuned.ms).toBeLessThanOrEqual(call.untuned.ms);
    }
    const caps = { ...device.caps, tuned: new Map(tuned.map((call) => [call.signature, call.tuned])) };
    const labels = compile(small(), caps).pipelines.map(({ label }) => label);
    expect(labels.sort()).toEqual(tuned.map((call) => call.tuned.label).sort());
  }, 120_000);

  test('a cache is full and a span is of all keys', () => {
    const device = getDevice();
    const graph = new Graph();
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      graph.input(name, [2, name === 'q' ? 3 : 16, 2, 8], 'f32'),
    ) as [Tensor, Tensor, Tensor];
    const past = graph.input('past', [2], 'u32');
    const span = graph.input('span', [2, 3, 2], 'u32');
    graph.output('y', attention(q, k, v, { causal: true, past, span }));
    const written = vi.spyOn(device.gpu.queue, 'writeBuffer');
    for (const node of kernelCalls(graph, device.caps).values()) {
      for (const buffer of callBuffers(device, node).values()) device.destroyBuffer(buffer);
    }
    const values = written.mock.calls.map(([, , words]) => [...(words as Uint32Array)]);
    written.mockRestore();
    // Of 16 keys, 13 come before 3 queries; 2 words of the buffer of 4 are the call's.
    expect(values).toEqual([Array(4).fill(13), Array(6).fill([0, 16]).flat()]);
  });

  test('ends when it is told to', async () => {
    const device = getDevice();
    const calls = kernelCalls(small(), device.caps);
    await expect(tuneCalls(device, calls, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
