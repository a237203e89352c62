import { expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { type AttentionOptions, attention } from '../../src/graph/attention.ts';
import {
  attentionNodes,
  attentionProbabilities,
  type QueryRange,
} from '../../src/graph/attention-probabilities.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { randomSource } from '../compile/random.ts';

const [B, H, K, D] = [2, 4, 2, 8];

interface Case {
  readonly S: number;
  /** At most D, so that one value of the attention can stand for each key. */
  readonly T: number;
  readonly options?: Pick<AttentionOptions, 'scale' | 'causal' | 'softcap' | 'slidingWindow'>;
  readonly past?: readonly number[];
  readonly span?: readonly number[];
  /** [B, 1, S, T] */
  readonly mask?: readonly number[];
  readonly range?: QueryRange;
}

const CASES: Readonly<Record<string, Case>> = {
  full: { S: 5, T: 7 },
  'with a scale and a softcap': { S: 3, T: 8, options: { scale: 1.7, softcap: 0.6 } },
  causal: { S: 6, T: 6, options: { causal: true } },
  'causal with more keys than queries': { S: 2, T: 7, options: { causal: true } },
  'a sliding window': { S: 6, T: 6, options: { causal: true, slidingWindow: 2 } },
  'a window both ways': { S: 5, T: 5, options: { slidingWindow: 3 } },
  'a cache that is not full': { S: 2, T: 8, options: { causal: true }, past: [3, 0] },
  'a cache without causal order': { S: 2, T: 8, past: [3, 1] },
  'a prefix seen both ways': {
    S: 4,
    T: 8,
    options: { causal: true, slidingWindow: 2 },
    past: [0, 2],
    span: [0, 3, 0, 3, 0, 3, 0, 0, 1, 8, 0, 0, 2, 4, 3, 3],
  },
  'pictures packed in a row, and a query that sees nothing': {
    S: 4,
    T: 4,
    span: [0, 2, 0, 2, 2, 4, 2, 4, 0, 1, 1, 4, 3, 3, 1, 4],
  },
  'an additive mask that hides': {
    S: 2,
    T: 4,
    mask: [0, -1e30, 0.5, Number.NEGATIVE_INFINITY, 1, 2, 3, 4, -1e35, -1e30, -2e30, -1e31, 0, 0, 0, -1],
  },
  'some queries alone': {
    S: 5,
    T: 8,
    options: { causal: true, slidingWindow: 3 },
    past: [2, 0],
    span: [0, 0, 1, 6, 0, 0, 0, 2, 5, 7, 0, 0, 0, 0, 2, 8, 1, 1, 0, 0],
    range: [1, 4],
  },
};

/** Probabilities, and attention over values that are one for one key each, whose result they are. */
function buildCase({ S, T, options, past, span, mask, range }: Case) {
  const graph = new Graph();
  const optional = { past: past && [B], span: span && [B, S, 2] };
  const sources = Object.fromEntries(
    Object.entries(optional).map(([name, shape]) => [name, shape && graph.input(name, shape, 'u32')]),
  );
  const y = attention(
    graph.input('q', [B, S, H, D], 'f32'),
    graph.input('k', [B, T, K, D], 'f32'),
    graph.input('v', [B, T, K, D], 'f32'),
    { ...options, ...sources, mask: mask && graph.input('mask', [B, 1, S, T], 'f32') },
  );
  graph.output('y', y);
  const node = attentionNodes(graph).get('attention.probabilities');
  if (!node) throw new Error('the attention was not found');
  graph.output('probabilities', attentionProbabilities(node, range));
  const random = randomSource(S * 10 + T);
  const normal = (length: number) => Float32Array.from({ length }, () => 3 * random() - 1.5);
  const v = new Float32Array(B * T * K * D);
  for (let row = 0; row < B * T * K; row++) v[row * D + (Math.floor(row / K) % T)] = 1;
  const values: Record<string, Float32Array | Uint32Array> = {
    q: normal(B * S * H * D),
    k: normal(B * T * K * D),
    v,
    ...(past && { past: Uint32Array.from(past) }),
    ...(span && { span: Uint32Array.from(span) }),
    ...(mask && { mask: Float32Array.from(mask) }),
  };
  return { graph, values };
}

/** y [B, S, H, D] as probabilities [B, H, rows, T]. */
function expectedOf({ S, T, range: [begin, end] = [0, S] }: Case, y: ArrayLike<number>): number[] {
  const expected: number[] = [];
  for (let b = 0; b < B; b++)
    for (let h = 0; h < H; h++)
      for (let i = begin; i < end; i++)
        for (let j = 0; j < T; j++) expected.push(y[((b * S + i) * H + h) * D + j] ?? Number.NaN);
  return expected;
}

const maxError = (actual: ArrayLike<number>, expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? Number.NaN))));

test.each(Object.entries(CASES))('%s: equal to the reference of the op', (_, one) => {
  const { graph, values } = buildCase(one);
  const { outputs } = interpret(graph, values);
  const actual = outputs.get('probabilities') ?? [];
  const expected = expectedOf(one, outputs.get('y') ?? []);
  expect(actual).toHaveLength(expected.length);
  expect(maxError(actual, expected)).toBeLessThan(1e-12);
  for (let begin = 0; begin < actual.length; begin += one.T) {
    const sum = expected.slice(begin, begin + one.T).reduce((total, value) => total + value, 0);
    expect([0, 1].some((whole) => Math.abs(sum - whole) < 1e-12)).toBe(true);
  }
});

describeOnAdapters('attention probabilities', (getDevice) => {
  test.each(Object.entries(CASES))('%s', async (_, one) => {
    const device = getDevice();
    const { graph, values } = buildCase(one);
    const exact = expectedOf(one, interpret(graph, values).outputs.get('y') ?? []);
    const weights = createWeightStore(device, new Map());
    const states = createStateStore(device);
    const session = await createSession(device, compile(graph, device.caps), { weights, states });
    try {
      const { y = [], probabilities = [] } = await session.runAndRead(values, ['y', 'probabilities']);
      expect(probabilities).toHaveLength(exact.length);
      expect(maxError(probabilities, exact)).toBeLessThan(2e-6);
      expect(maxError(probabilities, expectedOf(one, y))).toBeLessThan(2e-6);
    } finally {
      for (const part of [session, weights, states]) part.dispose();
    }
  });
});

test('nodes are named by their scope, and numbered within one', () => {
  const graph = new Graph();
  const q = graph.input('q', [1, 2, 1, 4], 'f32');
  for (const scope of ['vision.layers.0', 'vision.layers.1', 'vision.layers.1'])
    graph.scope(scope, () => attention(q, q, q));
  expect([...attentionNodes(graph).keys()]).toEqual([
    'vision.layers.0.attention.probabilities',
    'vision.layers.1.attention.probabilities',
    'vision.layers.1.attention.1.probabilities',
  ]);
});
