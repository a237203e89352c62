import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { explain, explainNode, planSummary } from '../../src/compile/explain.ts';
import type { Plan, PlanBinding } from '../../src/compile/plan.ts';
import { InputError, UnsupportedError } from '../../src/core/errors.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add } from '../../src/graph/math.ts';
import { softmax } from '../../src/graph/softmax.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { testCaps } from './caps.ts';
import { randomGraph } from './random-graph.ts';

/** `depth` residual blocks of two linears. */
function stack(depth: number): Graph {
  const graph = new Graph();
  let x: Tensor = graph.input('x', [4, 64], 'f32');
  for (let layer = 0; layer < depth; layer++) {
    x = graph.scope(`layers.${layer}`, () => {
      const inner = activation(linear(x, graph.weight(`${layer}.up.weight`, [128, 64], 'f32')), 'silu');
      return add(x, linear(inner, graph.weight(`${layer}.down.weight`, [64, 128], 'f32')));
    });
  }
  graph.output('y', softmax(x));
  return graph;
}

const bytesOf = (plan: Plan, kind: string): number =>
  plan.buffers.reduce((sum, buffer) => sum + (buffer.kind === kind ? buffer.byteLength : 0), 0);

describe('compile', () => {
  test('equal layers share pipelines and params, and intermediates share memory', () => {
    const shallow = compile(stack(2), testCaps());
    const deep = compile(stack(24), testCaps());
    expect(deep.dispatches).toHaveLength(24 * 2 + 1);
    expect(deep.pipelines.length).toBe(shallow.pipelines.length);
    expect(deep.params.byteLength).toBe(shallow.params.byteLength);
    expect(bytesOf(deep, 'arena')).toBe(bytesOf(shallow, 'arena'));
    expect(bytesOf(deep, 'arena')).toBeLessThan(deep.intermediateBytes / 8);
  });

  test('no dispatch reads and writes one buffer, and bindings lie aligned within their buffers', () => {
    for (let seed = 1; seed <= 40; seed++) {
      for (const fuse of [true, false]) {
        const plan = compile(randomGraph(seed, 14).graph, testCaps(), { fuse });
        for (const { bindings, pipeline, label, paramsOffset } of plan.dispatches) {
          const kinds = plan.pipelines[pipeline]?.bindings ?? [];
          expect(kinds).toHaveLength(bindings.length);
          const buffersOf = (kind: string) =>
            bindings.filter((_, i) => kinds[i] === kind).map((b) => b.buffer);
          const written = new Set(buffersOf('storage'));
          expect(written.size).toBeGreaterThan(0);
          expect(
            buffersOf('read-only-storage').filter((buffer) => written.has(buffer)),
            label,
          ).toEqual([]);
          for (const { buffer, offset, byteLength } of bindings) {
            expect(offset % 256).toBe(0);
            expect(offset + byteLength).toBeLessThanOrEqual(plan.buffers[buffer]?.byteLength ?? 0);
          }
          expect(paramsOffset % 256).toBe(0);
        }
      }
    }
  });

  test('what a dispatch reads was written whole and not written over since', () => {
    let reads = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const plan = compile(randomGraph(seed, 14).graph, testCaps());
      const written: PlanBinding[] = [];
      const check = (binding: PlanBinding): void => {
        if (plan.buffers[binding.buffer]?.kind !== 'arena') return;
        const end = binding.offset + binding.byteLength;
        const latest = written.findLast(
          ({ buffer, offset, byteLength }) =>
            buffer === binding.buffer && offset < end && binding.offset < offset + byteLength,
        );
        expect(latest).toEqual(binding);
        reads++;
      };
      for (const { bindings, pipeline } of plan.dispatches) {
        const kinds = plan.pipelines[pipeline]?.bindings ?? [];
        bindings.filter((_, i) => kinds[i] === 'read-only-storage').forEach(check);
        written.push(...bindings.filter((_, i) => kinds[i] === 'storage'));
      }
      for (const { binding } of plan.outputs.values()) check(binding);
    }
    expect(reads).toBeGreaterThan(200);
  });

  test('a plan is plain data', () => {
    const plan = compile(randomGraph(3, 10).graph, testCaps());
    expect(structuredClone(plan)).toEqual(plan);
  });

  test('a weight over one binding is bound in parts', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 64], 'f32');
    graph.output('y', linear(x, graph.weight('w', [100, 64], 'f32')));
    const plan = compile(graph, testCaps({ maxStorageBufferBindingSize: 10_240 }));
    const weights = plan.buffers.filter((buffer) => buffer.kind === 'weight');
    expect(weights.map(({ rows }) => rows)).toEqual([
      [0, 40],
      [40, 80],
      [80, 100],
    ]);
    for (const { byteLength } of weights) expect(byteLength).toBeLessThanOrEqual(10_240);
  });

  test('says which op no kernel serves, and why', () => {
    const graph = new Graph();
    graph.scope('head', () => graph.output('y', softmax(graph.input('x', [2, 64], 'f16'))));
    const caps = { ...testCaps(), features: { ...testCaps().features, shaderF16: false } };
    expect(() => compile(graph, caps)).toThrow(UnsupportedError);
    expect(() => compile(graph, caps)).toThrow(
      /"head softmax".*x f16 \[2, 64\].*f16, which the adapter lacks/,
    );
  });
});

describe('explain', () => {
  test('tables the dispatches, the fusions and the totals', () => {
    const plan = compile(stack(1), testCaps());
    const lines = explain(plan).split('\n');
    expect(lines[0]).toMatch(/^# +dispatch +kernel +workgroups +FLOPs +read +written +fused$/);
    expect(lines[1]).toMatch(/^0 +layers\.0 linear up +linear_\w+\{.*\} .* linear \+ elementwise$/);
    expect(lines.at(-2)).toMatch(/^3 dispatches of \d+ pipelines; .* FLOPs, .* read, .* written$/);
    expect(lines.at(-1)).toContain('weight 64 KiB');
    const { dispatches, memory, flops } = planSummary(plan);
    expect(dispatches).toBe(3);
    expect(memory.weight).toBe(2 * 128 * 64 * 4);
    expect(flops).toBe(plan.dispatches.reduce((sum, { cost }) => sum + cost.flops, 0));
  });

  test('says why a kernel was chosen', () => {
    const plan = compile(stack(1), testCaps({ maxComputeInvocationsPerWorkgroup: 64 }));
    const text = explainNode(plan, 'softmax');
    expect(text).toMatch(/^softmax makes .* by softmax\nchosen {2}softmax_row\{workgroupSize: \d+\}: about /);
    expect(text).toMatch(/\nslower {2}softmax_row/);
    expect(text).toMatch(/\nrefused softmax_row\{workgroupSize: 256\}: workgroup of 256 is over/);
    expect(explainNode(plan, 0)).toContain('layers.0 linear up');
    expect(() => explainNode(plan, 'nope')).toThrow(InputError);
  });
});
