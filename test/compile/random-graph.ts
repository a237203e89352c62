import type { Shape } from '../../src/core/shape.ts';
import { elementCount } from '../../src/core/shape.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add, mul, scale, sub } from '../../src/graph/math.ts';
import { concat, permute, reshape, slice } from '../../src/graph/movement.ts';
import { softmax } from '../../src/graph/softmax.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { randomInteger, randomSource } from './random.ts';

export interface RandomGraph {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  readonly weights: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array<ArrayBuffer> }>;
}

/**
 * A few rows of features pushed through `size` random ops: chains, branches that join again, views, dead ends, and
 * tensors read more than once. Every value stays small, so that f32 is compared fairly.
 */
export function randomGraph(seed: number, size: number): RandomGraph {
  const random = randomSource(seed);
  const graph = new Graph();
  const weights = new Map<string, { shape: Shape; data: Float32Array<ArrayBuffer> }>();
  const fill = (shape: Shape) =>
    Float32Array.from({ length: elementCount(shape) }, () => random() * 2 - 1) as Float32Array<ArrayBuffer>;
  const rows = randomInteger(random, 1, 5);
  const inputs = { a: fill([rows, 6]), b: fill([rows, 6]) };
  const pool: Tensor[] = [graph.input('a', [rows, 6], 'f32'), graph.input('b', [rows, 6], 'f32')];
  const pick = (): Tensor => pool[randomInteger(random, 0, pool.length - 1)] as Tensor;
  const weight = (shape: Shape): Tensor => {
    const name = `w${weights.size}`;
    weights.set(name, { shape, data: fill(shape) });
    return graph.weight(name, shape, 'f32');
  };
  const makers: readonly (() => Tensor)[] = [
    () => add(pick(), pick()),
    () => sub(pick(), scale(pick(), 0.5)),
    () => mul(softmax(pick()), pick()),
    () => activation(pick(), 'silu'),
    () => activation(linear(pick(), weight([6, 6]), { bias: weight([6]) }), 'gelu'),
    () => add(pick(), scale(linear(pick(), weight([6, 6])), 0.25)),
    () => add(linear(scale(pick(), 0.25), weight([6, 6])), pick()),
    () => add(linear(scale(pick(), 0.25), weight([6, 6])), weight([6])),
    () => slice(concat([pick(), pick()], 1), 1, 3, 9),
    () => reshape(scale(reshape(pick(), [rows * 2, 3]), 2), [rows, 6]),
    () => reshape(permute(reshape(pick(), [rows, 2, 3]), [0, 2, 1]), [rows, 6]),
  ];
  for (let i = 0; i < size; i++) {
    const tensor = (makers[randomInteger(random, 0, makers.length - 1)] as () => Tensor)();
    // Keeps values in range however long the chain is.
    pool.push(random() < 0.3 ? softmax(tensor).named(`t${i}`) : tensor.named(`t${i}`));
  }
  graph.output('y', add(pool.at(-1) as Tensor, scale(pick(), 0.5)));
  graph.output('z', pool[randomInteger(random, 2, pool.length - 1)] as Tensor);
  return { graph, inputs, weights };
}

/** Everything `interpret` wants to know. */
export const valuesOf = ({ inputs, weights }: RandomGraph): Record<string, Float32Array> => ({
  ...inputs,
  ...Object.fromEntries([...weights].map(([name, { data }]) => [name, data])),
});
