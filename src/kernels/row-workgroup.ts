import type { Caps } from '../core/caps.ts';
import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { type Named, required, type TensorType } from '../ops/op.ts';
import { type Cost, type KernelShape, spreadWorkgroups } from './kernel.ts';

/** What the layer norm and RMS norm kernels share: one workgroup per row, with or without a residual added first. */

export const ROW_WORKGROUP_SIZES = [8, 64, 256] as const;

export function rowSizes(inputs: Named<TensorType>): { readonly rows: number; readonly cols: number } {
  const x = required(inputs, 'x', 'norm');
  const cols = dim(x.shape, -1);
  return { rows: elementCount(x.shape) / cols, cols };
}

/** `true` unless the adapter cannot hold the workgroup or most of its threads would have no column. */
export function supportsRow(cols: number, workgroupSize: number, caps: Caps): true | string {
  if (workgroupSize > caps.limits.maxComputeInvocationsPerWorkgroup) {
    return `workgroup of ${workgroupSize} is over the adapter's limit`;
  }
  if (workgroupSize > ROW_WORKGROUP_SIZES[0] && workgroupSize >= 4 * cols) {
    return `workgroup of ${workgroupSize} has no work for rows of ${cols}`;
  }
  return true;
}

/**
 * Software adapters run a workgroup's threads one vector after the other and pay for each barrier, so the smallest
 * wins there; a GPU wants a few columns per thread (a guess, not yet timed on one). Best of 15 runs with a workgroup of
 * 8, 64 and 256, in ms: softmax 1024×1024 on lavapipe 5.8, 13, 29, on SwiftShader 35 to 97, 340, 1880; layer norm
 * 197×768 on lavapipe 1.1, 2.4, 8.0, on SwiftShader 9 to 14, 57, 430.
 */
export function rowEfficiency(cols: number, workgroupSize: number, caps: Caps): number {
  if (caps.kind === 'software') return workgroupSize / ROW_WORKGROUP_SIZES[0];
  const columnsPerThread = cols / workgroupSize;
  return Math.max(columnsPerThread / 8, 1, 1 / columnsPerThread);
}

/** WGSL of the first read of element `i`: it adds and stores the residual stream where the kernel is fused. */
export const firstRead = ({ dtypes }: KernelShape): readonly string[] =>
  dtypes.residual
    ? [`sum[i] = ${dtypes.sum ?? 'f32'}(f32(x[i]) + f32(residual[i]));`, `let value = f32(sum[i]);`]
    : [`let value = f32(x[i]);`];

/** WGSL of any later read of element `i`; threads read back only what they stored themselves. */
export const laterRead = ({ dtypes }: KernelShape): string => (dtypes.residual ? 'f32(sum[i])' : 'f32(x[i])');

export function rowCost({ rows, cols }: { rows: number; cols: number }, shape: KernelShape): Cost {
  const bytesOf = (name: string): number =>
    name in shape.dtypes ? rows * cols * DTYPE_BYTES[shape.dtypes[name] ?? 'f32'] : 0;
  return {
    flops: 8 * rows * cols,
    bytesRead: bytesOf('x') + bytesOf('residual'),
    bytesWritten: bytesOf('y') + bytesOf('sum'),
  };
}

type RowCall = KernelShape & { readonly params: { readonly rows: number; readonly cols: number } };
interface RowTuning {
  readonly workgroupSize: number;
}

/** What every norm kernel tells the chooser, to be spread into its definition. */
export const normOfRows = {
  tuning: { workgroupSize: ROW_WORKGROUP_SIZES },
  supports: ({ params }: RowCall, t: RowTuning, caps: Caps) =>
    supportsRow(params.cols, t.workgroupSize, caps),
  dispatch: ({ params }: RowCall) => spreadWorkgroups(params.rows),
  cost: (call: RowCall) => rowCost(call.params, call),
  efficiency: ({ params }: RowCall, t: RowTuning, caps: Caps) =>
    rowEfficiency(params.cols, t.workgroupSize, caps),
} as const;
