import { describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { InputError, UnsupportedError } from '../../src/core/errors.ts';
import { attentionLogSumExp } from '../../src/graph/attention-gradients.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { mul } from '../../src/graph/math.ts';
import { cast } from '../../src/graph/movement.ts';
import { argmax, reduceSum } from '../../src/graph/reduce.ts';
import { randomGraph, valuesOf } from '../compile/random-graph.ts';

/** Central differences in f64: error of the order of STEP², far below this where the function is smooth. */
const STEP = 1e-5;
const TOLERANCE = 1e-6;

/** The gradient of a weighted sum of a random graph's result, by `grad` and by differences of its values. */
function compare(seed: number, recompute?: RegExp) {
  const random = randomGraph(seed, 12);
  const { graph } = random;
  const y = graph.outputs.get('y');
  if (!y) throw new Error('a random graph has a result');
  const count = y.shape.reduce((product, size) => product * size, 1);
  const seeds = graph.constant(
    'seeds',
    Float32Array.from({ length: count }, (_, i) => Math.cos(i)),
    y.shape,
  );
  const loss = graph.output(
    'loss',
    reduceSum(
      mul(y, seeds),
      y.shape.map((_, axis) => axis),
    ),
  );
  const names = ['a', 'b', ...random.weights.keys()];
  const sources = names.map((name) =>
    random.weights.has(name)
      ? graph.weight(name, random.weights.get(name)?.shape ?? [], 'f32')
      : graph.input(name, y.shape, 'f32'),
  );
  const values = Object.fromEntries(
    Object.entries(valuesOf(random)).map(([name, data]) => [name, Float64Array.from(data)]),
  );
  const lossOf = (): number => interpret(graph, values).outputs.get('loss')?.[0] ?? Number.NaN;
  // Before the gradients are part of the graph, since the interpreter runs all of it.
  const differences = names.map((name) => {
    const data = values[name] ?? new Float64Array();
    return Float64Array.from(data, (value, i) => {
      data[i] = value + STEP;
      const above = lossOf();
      data[i] = value - STEP;
      const below = lossOf();
      data[i] = value;
      return (above - below) / (2 * STEP);
    });
  });
  grad(loss, sources, { recompute }).forEach((gradient, i) => {
    graph.output(`grad ${names[i]}`, gradient);
  });
  const { outputs } = interpret(graph, values);
  return names.map((name, i) => ({ name, actual: outputs.get(`grad ${name}`), expected: differences[i] }));
}

function expectClose(compared: ReturnType<typeof compare>): void {
  for (const { name, actual = [], expected = [] } of compared) {
    expect(actual.length, name).toBe(expected.length);
    Array.from(actual).forEach((value, i) => {
      expect(Math.abs(value - (expected[i] ?? Number.NaN)), `${name}[${i}]`).toBeLessThan(TOLERANCE);
    });
  }
}

describe('gradients of random graphs', () => {
  test.each(Array.from({ length: 24 }, (_, seed) => seed))('agree with differences: seed %i', (seed) => {
    expectClose(compare(seed));
  });

  test.each([1, 2, 3])('also where all is computed again: seed %i', (seed) => {
    expectClose(compare(seed, /^/));
  });
});

describe('grad', () => {
  test('refuses a loss that is no scalar', () => {
    const graph = new Graph();
    const x = graph.input('x', [2, 3], 'f32');
    expect(() => grad(x, [x])).toThrow(InputError);
    expect(() => grad(x, [x])).toThrow('the loss is f32 [2, 3]; expected one float');
  });

  test('names the op that has no gradient', () => {
    const graph = new Graph();
    const q = graph.input('q', [1, 2, 1, 4], 'f32');
    const attrs = { scale: 1, causal: false, softcap: null, slidingWindow: null };
    const sums = graph.scope('head', () => attentionLogSumExp(q, q, {}, attrs));
    const loss = reduceSum(sums, [0, 1, 2]);
    expect(() => grad(loss, [q])).toThrow('attentionLogSumExp "head" has no gradient');
    expect(() => grad(loss, [q])).toThrow(UnsupportedError);
  });

  test('does not pass through integers', () => {
    const graph = new Graph();
    const x = graph.input('x', [4], 'f32');
    const [dx] = grad(cast(argmax(x), 'f32'), [x]);
    graph.output('dx', dx ?? x);
    expect([...(interpret(graph, { x: [1, 3, 2, 0] }).outputs.get('dx') ?? [])]).toEqual([0, 0, 0, 0]);
  });

  test('of what the loss does not depend on is zero', () => {
    const graph = new Graph();
    const [x, other] = [graph.input('x', [2], 'f32'), graph.input('other', [3], 'f32')];
    const [dx, dOther] = grad(reduceSum(mul(x, x), 0), [x, other]);
    graph.output('dx', dx ?? x);
    graph.output('dOther', dOther ?? x);
    const { outputs } = interpret(graph, { x: [3, -4], other: [1, 1, 1] });
    expect([...(outputs.get('dx') ?? [])]).toEqual([6, -8]);
    expect([...(outputs.get('dOther') ?? [])]).toEqual([0, 0, 0]);
  });
});
