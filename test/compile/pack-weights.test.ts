import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { lower } from '../../src/compile/ir.ts';
import { packWeights } from '../../src/compile/pack-weights.ts';
import type { Caps } from '../../src/core/caps.ts';
import type { PackedDType } from '../../src/core/dtype.ts';
import { storageByteLength } from '../../src/core/dtype.ts';
import { UnsupportedError } from '../../src/core/errors.ts';
import { embedding } from '../../src/graph/embedding.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { add } from '../../src/graph/math.ts';
import { reshape } from '../../src/graph/movement.ts';
import { testCaps } from './caps.ts';

const V = 48;
const C = 64;

/** Each weight's dtype by name, once every pass before fusion has run. */
const packedIn = (graph: Graph): Record<string, string> =>
  Object.fromEntries(
    packWeights(lower(graph, []))
      .nodes.flatMap(({ inputs }) => Object.values(inputs))
      .filter(({ source }) => source.kind === 'weight')
      .map(({ name, dtype }) => [name, dtype]),
  );

const ids = (graph: Graph) => graph.input('ids', [5], 'u32');
const table = (graph: Graph, packed: PackedDType = 'q4') => graph.weight('table', [V, C], 'f32', packed);

describe('packWeights', () => {
  test('packs what only products and tables of tokens read, tied or not', () => {
    const graph = new Graph();
    const x = embedding(ids(graph), table(graph), { dtype: 'f32' });
    const y = linear(x, graph.weight('w', [V, C], 'f32', 'q8'), { bias: graph.weight('b', [V], 'f32') });
    graph.output('y', y);
    graph.output('logits', linear(x, table(graph)));
    expect(packedIn(graph)).toEqual({ table: 'q4', w: 'q8', b: 'f32' });
  });

  test('leaves a weight float that another op reads as well', () => {
    const graph = new Graph();
    const x = graph.input('x', [V, C], 'f32');
    const kernel = graph.weight('kernel', [V, C], 'f32', 'q4');
    graph.output('y', linear(x, reshape(kernel, [V, C])));
    graph.output('z', linear(add(x, table(graph)), table(graph)));
    expect(packedIn(graph)).toEqual({ kernel: 'f32', table: 'f32' });
  });

  test('leaves a table float that is read at fixed rows, as of positions', () => {
    const graph = new Graph();
    const rows = graph.constant('rows', Uint32Array.of(0, 1), [2]);
    graph.output('y', embedding(rows, table(graph), { dtype: 'f32' }));
    expect(packedIn(graph)).toEqual({ table: 'f32' });
  });

  test('leaves a weight float that is an output', () => {
    const graph = new Graph();
    graph.output('y', linear(graph.input('x', [2, C], 'f32'), graph.output('table', table(graph))));
    expect(packedIn(graph)).toEqual({ table: 'f32' });
  });
});

describe('the kernel of a packed linear', () => {
  const gpu = {
    ...testCaps(),
    kind: 'discrete',
    features: { ...testCaps().features, subgroups: true },
  } as const;
  const chosen = (rows: number, k: number, caps: Caps): string | undefined => {
    const graph = new Graph();
    const x = graph.input('x', [rows, k], 'f32');
    graph.output('y', linear(x, graph.weight('w', [2048, k], 'f32', 'q4')));
    return compile(graph, caps).dispatches[0]?.kernel;
  };
  const lanes = (count: number): Caps => ({
    ...testCaps(),
    features: { ...testCaps().features, subgroups: true },
    subgroupMinSize: count,
    subgroupMaxSize: count,
  });

  test.each([
    ['one row on a GPU', 1, 2048, gpu, 'linear_packed_matvec_subgroup{workgroupSize: 64, rows: 1}'],
    ['a few rows on a GPU', 4, 2048, gpu, 'linear_packed_matvec_subgroup{workgroupSize: 64, rows: 4}'],
    ['many rows on a GPU', 512, 2048, gpu, 'linear_tiled{rows: 8, buffers: 1}'],
    ['one row on a CPU', 1, 2048, lanes(8), 'linear_packed_matvec_broadcast{lanes: 8, rows: 1}'],
    ['two rows on a CPU', 2, 2048, lanes(8), 'linear_packed_matvec_broadcast{lanes: 8, rows: 2}'],
    ['a few rows on a CPU', 4, 2048, lanes(4), 'linear_packed_matvec_broadcast{lanes: 4, rows: 4}'],
    ['eight rows on a CPU', 8, 2048, lanes(4), 'linear_packed_broadcast{lanes: 4, rows: 8, vectors: 4}'],
    ['many rows on a CPU', 64, 2048, lanes(4), 'linear_packed_broadcast{lanes: 4, rows: 16, vectors: 4}'],
    ['an odd width', 3, 50, gpu, 'linear_packed_columns{rows: 1, vec: 1}'],
    ['no subgroups', 1, 2048, testCaps(), 'linear_packed_columns{rows: 1, vec: 4}'],
  ])('for %s', (_what, rows, k, caps, kernel) => expect(chosen(rows, k, caps)).toBe(kernel));
});

describe('a plan of packed weights', () => {
  const tied = (): Graph => {
    const graph = new Graph();
    const x = embedding(ids(graph), table(graph), { dtype: 'f32' });
    graph.output('logits', linear(x, table(graph)));
    return graph;
  };
  const weightsOf = (bytes?: number) =>
    compile(
      tied(),
      testCaps(bytes === undefined ? {} : { maxStorageBufferBindingSize: bytes }),
    ).buffers.flatMap((buffer) => (buffer.kind === 'weight' ? [buffer] : []));

  test('holds a tied table once, packed', () => {
    expect(weightsOf()).toMatchObject([
      { name: 'table', dtype: 'q4', shape: [V, C], byteLength: storageByteLength('q4', [V, C]) },
    ]);
  });

  test('cuts one that is too large for a binding between rows', () => {
    const rowBytes = storageByteLength('q4', [1, C]);
    const parts = weightsOf(5 * C * 4);
    expect(parts).toHaveLength(2);
    let next = 0;
    for (const { rows: [begin, end] = [0, 0], byteLength } of parts) {
      expect(begin).toBe(next);
      expect(byteLength).toBe((end - begin) * rowBytes);
      next = end;
    }
    expect(next).toBe(V);
  });

  test('says when not even a few rows fit', () => {
    expect(() => weightsOf(7 * storageByteLength('q4', [1, C]))).toThrow(UnsupportedError);
  });
});
