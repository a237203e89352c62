import { DTYPE_BYTES } from '../core/dtype.ts';
import { broadcastShapes, dim, type Shape, stridesOf } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { Cost, KernelCall, OpCall } from './kernel.ts';

// What all kernels of `matmul` share: bindings, sizes, counts, and where each batch's matrices start.

export const matmulBindings = { a: 'read', b: 'read', y: 'write' } as const;

/** y [batch, m, n] = a [.., m, k] · b [.., k, n]; three batch axes with strides in matrices, 0 where broadcast. */
export const matmulParams = {
  batch: 'u32',
  m: 'u32',
  n: 'u32',
  k: 'u32',
  size1: 'u32',
  size2: 'u32',
  a0: 'u32',
  a1: 'u32',
  a2: 'u32',
  b0: 'u32',
  b1: 'u32',
  b2: 'u32',
} as const;

export type MatmulCall = KernelCall<typeof matmulParams>;

interface BatchAxis {
  readonly size: number;
  readonly a: number;
  readonly b: number;
}

export function prepareMatmul({ inputs }: OpCall) {
  const a = required(inputs, 'a', 'matmul').shape;
  const b = required(inputs, 'b', 'matmul').shape;
  const axes = batchAxes(a.slice(0, -2), b.slice(0, -2));
  const [m, k, n] = [dim(a, -2), dim(a, -1), dim(b, -1)];
  const [only] = axes;
  // One b for all of a: its batch is but more rows.
  if (axes.length === 0 || (axes.length === 1 && only?.a === 1 && only.b === 0))
    return { params: { ...NO_BATCH, batch: 1, m: m * (only?.size ?? 1), n, k } };
  if (axes.length > 3)
    return `a ${a.join('×')} and b ${b.join('×')} broadcast over more than 3 groups of axes`;
  const none = { size: 1, a: 0, b: 0 };
  const [axis2 = none, axis1 = none, axis0 = none] = [...axes].reverse();
  return {
    params: {
      batch: axis0.size * axis1.size * axis2.size,
      m,
      n,
      k,
      size1: axis1.size,
      size2: axis2.size,
      a0: axis0.a,
      a1: axis1.a,
      a2: axis2.a,
      b0: axis0.b,
      b1: axis1.b,
      b2: axis2.b,
    },
  };
}

const NO_BATCH = { size1: 1, size2: 1, a0: 0, a1: 0, a2: 0, b0: 0, b1: 0, b2: 0 };

/** Batch axes outermost first; neighbours that a single stride each in a and b walks through are joined. */
function batchAxes(a: Shape, b: Shape): BatchAxis[] {
  const shape = broadcastShapes(a, b, 'matmul');
  const [aStrides, bStrides] = [stridesOf(a), stridesOf(b)];
  const axes: BatchAxis[] = [];
  for (let axis = 1; axis <= shape.length; axis++) {
    const size = dim(shape, -axis);
    if (size === 1) continue;
    const stride = (own: Shape, strides: readonly number[]): number =>
      (own.at(-axis) ?? 1) === 1 ? 0 : (strides.at(-axis) ?? 0);
    const outer = { size, a: stride(a, aStrides), b: stride(b, bStrides) };
    const inner = axes[0];
    if (inner && outer.a === inner.a * inner.size && outer.b === inner.b * inner.size)
      axes[0] = { ...inner, size: size * inner.size };
    else axes.unshift(outer);
  }
  return axes;
}

export function matmulCost({ params: { batch, m, n, k }, dtypes }: MatmulCall): Cost {
  const bytes = (name: string, elements: number): number => elements * DTYPE_BYTES[dtypes[name] ?? 'f32'];
  return {
    flops: 2 * batch * m * n * k,
    bytesRead: bytes('a', batch * m * k) + bytes('b', batch * k * n),
    bytesWritten: bytes('y', batch * m * n),
  };
}

/** `matrixA(index)` and `matrixB(index)`: which matrix of a and of b makes matrix `index` of y. */
export const matmulBatch: Snippet = {
  name: 'matmulBatch',
  code: `
    fn matrixA(index: u32) -> u32 {
      return dot(batchIndex(index), vec3u(params.a0, params.a1, params.a2));
    }

    fn matrixB(index: u32) -> u32 {
      return dot(batchIndex(index), vec3u(params.b0, params.b1, params.b2));
    }

    fn batchIndex(index: u32) -> vec3u {
      let outer = index / params.size2;
      return vec3u(outer / params.size1, outer % params.size1, index % params.size2);
    }
  `,
};
