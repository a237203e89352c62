import { describe, expect, test } from 'vitest';
import { candidateLabel, candidatesDigest } from '../../src/compile/choose.ts';
import { compile, kernelCalls, kernelCandidates } from '../../src/compile/compile.ts';
import { explainNode } from '../../src/compile/explain.ts';
import type { Caps } from '../../src/core/caps.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { softmax } from '../../src/graph/softmax.ts';
import { testCaps } from './caps.ts';

/** The same product twice, and a softmax. */
function products(): Graph {
  const graph = new Graph();
  const x = graph.input('x', [5, 64], 'f32');
  const once = linear(x, graph.weight('first.weight', [64, 64], 'f32'));
  graph.output('y', softmax(linear(once, graph.weight('second.weight', [64, 64], 'f32'))));
  return graph;
}

/** The product's signature, what can serve it, and the caps that hold `label` for the fastest. */
function tunedFor(label: string, digest?: string) {
  const caps = testCaps();
  const [signature, node] =
    [...kernelCalls(products(), caps)].find(([, { op }]) => op.name === 'linear') ?? [];
  if (signature === undefined || node === undefined) throw new Error('no linear');
  const { candidates } = kernelCandidates(node, caps);
  const kernel = { label, ms: 0.25, digest: digest ?? candidatesDigest(candidates) };
  return { signature, candidates, caps: { ...caps, tuned: new Map([[signature, kernel]]) } satisfies Caps };
}

const pipelinesOf = (caps: Caps): readonly string[] =>
  compile(products(), caps).pipelines.map(({ label }) => label);

describe('tuned kernels', () => {
  const slowest = tunedFor('').candidates.map(candidateLabel).at(-1) ?? '';

  test('equal calls are one to tune', () => {
    expect([...kernelCalls(products(), testCaps()).values()].map(({ op }) => op.name)).toEqual([
      'linear',
      'softmax',
    ]);
  });

  test('take the place of what the cost model takes, and the plan says so', () => {
    expect(pipelinesOf(testCaps())).not.toContain(slowest);
    const { caps } = tunedFor(slowest);
    expect(pipelinesOf(caps)).toContain(slowest);
    const plan = compile(products(), caps);
    const text = explainNode(plan, plan.dispatches[0]?.label ?? '');
    expect(text).toContain(`chosen  ${slowest}: measured, 250 µs`);
    expect(text.match(/^chosen/gm)).toHaveLength(1);
    expect(text.split(slowest)).toHaveLength(2);
  });

  test('are void when a kernel has changed since, or there is none of that name', () => {
    const untuned = pipelinesOf(testCaps());
    expect(pipelinesOf(tunedFor(slowest, '0000000000000000').caps)).toEqual(untuned);
    expect(pipelinesOf(tunedFor('linear_gone{rows: 1}').caps)).toEqual(untuned);
  });

  test('the digest tells texts, sizes and workgroups apart, and nothing of the order', () => {
    const { candidates } = tunedFor('');
    const digest = candidatesDigest(candidates);
    expect(digest).toMatch(/^[0-9a-f]{16}$/);
    expect(candidatesDigest([...candidates].reverse())).toBe(digest);
    expect(candidatesDigest(candidates.slice(1))).not.toBe(digest);
    const [first, ...rest] = candidates;
    if (!first) throw new Error('no candidate');
    const wider = { ...first, workgroups: [9, 9, 9] as const };
    expect(candidatesDigest([wider, ...rest])).not.toBe(digest);
    const rewritten = {
      ...first,
      kernel: { ...first.kernel, wgsl: () => ({ code: 'fn main() {}', snippets: [], requires: [] }) },
    };
    expect(candidatesDigest([rewritten, ...rest])).not.toBe(digest);
  });
});
