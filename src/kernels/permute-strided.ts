import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount, type Shape, stridesOf } from '../core/shape.ts';
import { permute } from '../ops/movement.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

const MAX_AXES = 5;

/**
 * Axes in another order: each thread gathers one element, or four that stay neighbours, for its place in y.
 * Axes that move together are merged first, so that attention's [B, S, H, D] → [B, H, S, D] has four.
 */
export const permuteStrided = defineKernel({
  name: 'permute_strided',
  op: permute,
  bindings: { x: 'read', y: 'write' },
  params: {
    count: 'u32',
    size1: 'u32',
    size2: 'u32',
    size3: 'u32',
    size4: 'u32',
    stride0: 'u32',
    stride1: 'u32',
    stride2: 'u32',
    stride3: 'u32',
    stride4: 'u32',
  },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, attrs }) {
    const { shape } = required(inputs, 'x', 'permute_strided');
    const axes = mergeAxes(shape, attrs.order);
    if (axes.length > MAX_AXES) return `${axes.length} distinct axes are over ${MAX_AXES}`;
    const size = (axis: number): number => axes[axis]?.size ?? 1;
    const stride = (axis: number): number => axes[axis]?.stride ?? 1;
    return {
      params: {
        count: elementCount(shape),
        size1: size(1),
        size2: size(2),
        size3: size(3),
        size4: size(4),
        stride0: stride(0),
        stride1: stride(1),
        stride2: stride(2),
        stride3: stride(3),
        stride4: stride(4),
      },
      variant: { axes: axes.length, innerStays: axes.at(-1)?.stride === 1 },
    };
  },
  supports({ params, variant }, t) {
    if (t.lanes === 1) return true;
    if (!variant.innerStays) return 'the innermost axis moves, so four lanes are no neighbours';
    const { count, size1, size2, size3, size4 } = params;
    const inner = [count, size1, size2, size3, size4][Number(variant.axes) - 1] ?? 1;
    return lanesDivide({ 'innermost size': inner }, t);
  },
  elements: ({ dtypes }, t) => laneElements(dtypes, t),
  wgsl: ({ variant }, t) =>
    elementMain(
      t,
      wgsl`
        var rest = i * LANES;
        var source = 0u;
        ${walkAxes(Number(variant.axes))}
        y[i] = x[source / LANES];
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = params.count * DTYPE_BYTES[required(dtypes, 'x', 'permute_strided')];
    return { flops: 0, bytesRead: bytes, bytesWritten: bytes };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});

/** Sizes of y's axes and their strides in x, neighbours merged where they stay neighbours. */
function mergeAxes(shape: Shape, order: readonly number[]): { size: number; stride: number }[] {
  const strides = stridesOf(shape);
  const merged: { size: number; stride: number }[] = [];
  for (const axis of order) {
    const size = dim(shape, axis);
    const stride = strides[axis] ?? 1;
    if (size === 1) continue;
    const outer = merged.at(-1);
    if (outer && outer.stride === size * stride)
      merged[merged.length - 1] = { size: outer.size * size, stride };
    else merged.push({ size, stride });
  }
  return merged.length ? merged : [{ size: 1, stride: 1 }];
}

function walkAxes(axes: number): string[] {
  const lines: string[] = [];
  for (let axis = axes - 1; axis > 0; axis--) {
    lines.push(`source += rest % params.size${axis} * params.stride${axis};`, `rest /= params.size${axis};`);
  }
  return [...lines, 'source += rest * params.stride0;'];
}
