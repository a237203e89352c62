import { expect, test } from 'vitest';
import { operandValues } from '../../bench/kernel-case.ts';
import { INFERENCE_SETS } from '../../src/compile/compile.ts';
import { groupRules } from '../../src/compile/compile-with.ts';
import { fuse } from '../../src/compile/fuse.ts';
import { type Ir, lower } from '../../src/compile/ir.ts';
import { removeDead } from '../../src/compile/remove-dead.ts';
import type { Caps } from '../../src/core/caps.ts';
import { attention } from '../../src/graph/attention.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { testCaps } from './caps.ts';
import { maxError, runIr } from './run-ir.ts';

interface Options {
  readonly slidingWindow?: number;
  readonly headDim?: number;
}

/** One query of 16 heads on a cache of `keys`, 2 heads wide. */
function decoding(keys: number, { slidingWindow, headDim = 32 }: Options = {}) {
  const graph = new Graph();
  const shapes = { q: [1, 1, 16, headDim], k: [1, keys, 2, headDim], v: [1, keys, 2, headDim] };
  const [q, k, v] = Object.entries(shapes).map(([name, shape]) => graph.input(name, shape, 'f32'));
  if (!q || !k || !v) throw new Error('three inputs were made');
  const past = graph.input('past', [1], 'u32');
  graph.output('y', attention(q, k, v, { causal: true, past, ...(slidingWindow && { slidingWindow }) }));
  const values = Object.entries(shapes).map(([name, shape]) => [name, operandValues(name, shape)] as const);
  return { graph, values: { ...Object.fromEntries(values), past: Uint32Array.of(keys - 3) } };
}

const features = { ...testCaps().features, subgroups: true };
const cpu: Caps = { ...testCaps(), features, subgroupMinSize: 8, subgroupMaxSize: 8 };
const gpu: Caps = { ...testCaps(), kind: 'discrete' };

const fused = (graph: Graph, caps: Caps): Ir =>
  fuse(removeDead(lower(graph, [])), groupRules(INFERENCE_SETS, caps));
const partsOf = (ir: Ir) =>
  ir.nodes.find(({ op }) => op.name === 'attentionParts')?.attrs as { readonly parts: number } | undefined;

test('a long cache is cut so that an adapter is busy, in parts of 256 keys at least', () => {
  expect(partsOf(fused(decoding(8192).graph, cpu))).toMatchObject({ parts: 6 });
  expect(partsOf(fused(decoding(1024).graph, cpu))).toMatchObject({ parts: 4 });
  expect(partsOf(fused(decoding(8192).graph, gpu))).toMatchObject({ parts: 16 });
});

test('a short one stays whole, and one of which a window shows little', () => {
  expect(partsOf(fused(decoding(511).graph, cpu))).toBeUndefined();
  expect(partsOf(fused(decoding(8192, { slidingWindow: 500 }).graph, gpu))).toBeUndefined();
});

test('a CPU whose kernel for parts is a slow one keeps it whole', () => {
  expect(partsOf(fused(decoding(8192).graph, testCaps()))).toMatchObject({ parts: 6 });
  expect(partsOf(fused(decoding(8192, { headDim: 256 }).graph, cpu))).toBeUndefined();
});

test('parts joined give what the whole gives', () => {
  const { graph, values } = decoding(1024);
  const expected = interpret(graph, values).outputs.get('y');
  expect(maxError(runIr(fused(graph, cpu), values).get('y'), expected)).toBeLessThan(1e-12);
});
