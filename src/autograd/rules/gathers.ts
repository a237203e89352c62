import { invariant } from '../../core/errors.ts';
import { dim, elementCount } from '../../core/shape.ts';
import { embedding as gather } from '../../graph/embedding.ts';
import { add, equal, max, neg, where } from '../../graph/math.ts';
import { cast, reshape } from '../../graph/movement.ts';
import { rope as ropeOf } from '../../graph/rope.ts';
import { scatterAdd } from '../../graph/scatter-add.ts';
import { cacheAppend } from '../../ops/cache-append.ts';
import { embedding } from '../../ops/embedding.ts';
import { rope } from '../../ops/rope.ts';
import { spliceRows } from '../../ops/splice-rows.ts';
import { defineGradient } from '../gradient.ts';

/** Rows of dy added up by the row of the table they came from. */
export const embeddingGradient = defineGradient(
  embedding,
  ({ inputs: { ids, weight }, attrs }, { y: dy }) => {
    invariant(ids && weight && dy, 'embedding has ids, weight and y');
    const { rowOffset } = attrs;
    return { weight: scatterAdd(ids, dy, { rows: dim(weight.shape, 0), rowOffset }) };
  },
);

/** dy to x where nothing was put in its place, to the rows elsewhere. */
export const spliceRowsGradient = defineGradient(spliceRows, (node, { y: dy }) => {
  const { rows, index } = node.inputs;
  invariant(rows && index && dy, 'spliceRows has rows, index and y');
  const place = reshape(cast(index, 'f32'), [...index.shape, 1]);
  // Rows count from 0, so only what is negative differs from its larger with 0.
  const isKept = equal(equal(max(place, broadcastZero(place)), place), 0);
  return {
    x: node.needs('x') ? where(isKept, dy, 0) : undefined,
    rows: node.needs('rows') ? scatterAdd(index, dy, { rows: dim(rows.shape, 0), rowOffset: 0 }) : undefined,
  };
});

const broadcastZero = ({ graph }: Parameters<typeof max>[0]) =>
  graph.constant('zeros.1', new Float32Array(1), [1]);

/** A turn back: the transpose of a rotation is the rotation by the opposite angle. */
export const ropeGradient = defineGradient(rope, ({ inputs, attrs: { interleaved } }, { y: dy }) => {
  const { cos, sin, positions } = inputs;
  invariant(cos && sin && positions && dy, 'rope has cos, sin, positions and y');
  return { x: ropeOf(dy, cos, neg(sin), positions, { interleaved }) };
});

/** The rows of the cache that x was written to. The cache before it is a state, which has no gradient. */
export const cacheAppendGradient = defineGradient(
  cacheAppend,
  ({ inputs: { x, past } }, { cache: dCache }) => {
    invariant(x && past && dCache, 'cacheAppend has x, past and cache');
    const [batch = 0, tokens = 0] = x.shape;
    const [, capacity = 0, heads = 0, headDim = 0] = dCache.shape;
    const offsets = Float32Array.from(
      { length: batch * tokens },
      (_, i) => Math.floor(i / tokens) * capacity + (i % tokens),
    );
    const places = x.graph.constant(`cacheRows.${batch}.${capacity}.${tokens}`, offsets, [batch, tokens]);
    const ids = cast(add(places, reshape(cast(past, 'f32'), [batch, 1])), 'u32');
    const rows = gather(ids, reshape(dCache, [batch * capacity, heads * headDim]), { dtype: 'f32' });
    invariant(elementCount(rows.shape) === elementCount(x.shape), 'a gradient per element of x');
    return { x: reshape(rows, x.shape) };
  },
);
