import { invariant } from '../../core/errors.ts';
import { dim } from '../../core/shape.ts';
import { conv2dInputGradient, conv2dWeightGradient } from '../../graph/conv2d-gradients.ts';
import type { Graph } from '../../graph/graph.ts';
import { matmul } from '../../graph/matmul.ts';
import { reduceSum } from '../../graph/reduce.ts';
import { conv2d } from '../../ops/conv2d.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import { interpolate, interpolateReference } from '../../ops/interpolate.ts';
import type { Attrs, Op, Reference } from '../../ops/op.ts';
import {
  adaptiveAvgPool2d,
  adaptiveAvgPool2dReference,
  avgPool2d,
  avgPool2dReference,
} from '../../ops/pooling.ts';
import { defineGradient, type GradientRule } from '../gradient.ts';

export const conv2dGradient = defineGradient(conv2d, (node, { y: dy }) => {
  const { x, weight } = node.inputs;
  invariant(x && weight && dy, 'conv2d has x, weight and y');
  return {
    x: node.needs('x') ? conv2dInputGradient(dy, weight, x.shape, node.attrs) : undefined,
    weight: node.needs('weight') ? conv2dWeightGradient(dy, x, weight.shape, node.attrs) : undefined,
    bias: node.needs('bias') ? reduceSum(dy, [0, 2, 3]) : undefined,
  };
});

/**
 * Pooling and resampling are linear along each axis by itself, y = R x Cᵀ, so that dx = Rᵀ dy C. The matrices are what
 * the op makes of unit vectors.
 */
function separableGradient<A extends Attrs>(
  op: Op<A>,
  reference: Reference<A>,
  alongRows: (attrs: A) => A,
  alongColumns: (attrs: A) => A,
): GradientRule {
  const along = (graph: Graph, attrs: A, length: number) =>
    axisMatrix(graph, op.name, reference, attrs, length);
  return defineGradient(op, ({ inputs: { x }, attrs }, { y: dy }) => {
    invariant(x && dy, `${op.name} has x and y`);
    const rows = along(dy.graph, alongRows(attrs), dim(x.shape, 2)); // [H, H']
    const columns = along(dy.graph, alongColumns(attrs), dim(x.shape, 3)); // [W, W']
    return { x: matmul(matmul(rows.matrix, dy), columns.transposed) };
  });
}

/** How `length` places of one axis make those of the result: matrix [length, length'], transposed [length', length]. */
function axisMatrix<A extends Attrs>(
  graph: Graph,
  opName: string,
  reference: Reference<A>,
  attrs: A,
  length: number,
) {
  const shape = [1, length, length, 1];
  const data = new Float64Array(length * length).map((_, i) => (i % (length + 1) === 0 ? 1 : 0));
  const { y } = reference({ x: { dtype: 'f32', shape, data } }, attrs);
  invariant(y, `${opName} has one output`);
  const size = y.length / length;
  const name = `${opName}.${length}.${JSON.stringify(attrs)}`;
  const flipped = Float32Array.from(
    y,
    (_, i) => y[(i % length) * size + Math.floor(i / length)] ?? Number.NaN,
  );
  return {
    matrix: graph.constant(name, Float32Array.from(y), [length, size]),
    transposed: graph.constant(`${name}.transposed`, flipped, [size, length]),
  };
}

type Pool = { readonly kernel: Size2d; readonly stride: Size2d };
const poolAlong =
  (axis: 0 | 1) =>
  ({ kernel, stride }: Pool): Pool => ({ kernel: [kernel[axis], 1], stride: [stride[axis], 1] });
const sizeAlong =
  (axis: 0 | 1) =>
  <A extends { readonly size: Size2d }>(attrs: A): A => ({ ...attrs, size: [attrs.size[axis], 1] as const });

export const avgPool2dGradient = separableGradient(avgPool2d, avgPool2dReference, poolAlong(0), poolAlong(1));
export const adaptiveAvgPool2dGradient = separableGradient(
  adaptiveAvgPool2d,
  adaptiveAvgPool2dReference,
  sizeAlong(0),
  sizeAlong(1),
);
export const interpolateGradient = separableGradient(
  interpolate,
  interpolateReference,
  sizeAlong(0),
  sizeAlong(1),
);
