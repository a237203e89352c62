import type { Caps } from '../core/caps.ts';
import { type KernelShape, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { hasSubgroupsOf } from './product-work.ts';
import { rowCost } from './row-workgroup.ts';

/**
 * What the norm kernels of one subgroup for a few rows share. Its lanes read neighbouring vec4 and add up in registers:
 * no barrier, no workgroup memory, and two reads of a row.
 */

type RowCall = KernelShape & { readonly params: { readonly rows: number; readonly cols: number } };
interface RowTuning {
  readonly lanes: number;
}

/** Rows of a subgroup, which read the weight once. More are little faster and as much longer to compile. */
export const SUBGROUP_ROWS = 2;

/**
 * Beside the smallest workgroup of `rowEfficiency`, which pays for barriers and reads float by float. ms of CPU time, least
 * of 5 runs in turns on a busy machine: layer norm by running means (Welford 1962) a row at a time, which wait for a
 * division a vector, then of two and of four rows; a copy; two reads and a write, without a weight:
 *
 *     lavapipe     197×768 0.67, 0.63, 0.49; 0.23     1024×1024 5.5, 4.4, 4.2; 1.8; 3.2
 *     SwiftShader                                     1024×1024 25, 21, 17; 9.6; 16
 *
 * RMS norm: 4.6, 3.8 and 23, 18 ms. So 60 % of a copy's speed is the most to be had while a row is read twice, and to keep it
 * is no cheaper: an array at an index that varies costs as much to write and read as a second load, and 32 vectors
 * held by number as much in code.
 */
const SOFTWARE_SHARE = 0.4;
/** A GPU has more use for a workgroup, where rows are few or long (a guess, not yet timed on one). */
const GPU_SHARE = 4;

/** What every norm kernel of a subgroup tells the chooser, to be spread into its definition. */
export const normOfSubgroups = {
  tuning: { lanes: [8, 4, 32] },
  supports: ({ params }: RowCall, { lanes }: RowTuning, caps: Caps) => {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    return params.cols % 4 === 0 || `${params.cols} columns are not a multiple of 4`;
  },
  elements: (shape: KernelShape) => vec4Elements(shape, 'x', 'residual', 'weight', 'bias', 'sum', 'y'),
  dispatch: ({ params }: RowCall) => spreadWorkgroups(Math.ceil(params.rows / SUBGROUP_ROWS)),
  cost: (call: RowCall) => rowCost(call.params, call),
  efficiency: (_call: RowCall, _t: RowTuning, { kind }: Caps) =>
    kind === 'software' ? SOFTWARE_SHARE : GPU_SHARE,
} as const;

/** WGSL of the first read of vector `i` as `value`: it adds and stores the residual stream where the kernel is fused. */
export const firstVector = ({ dtypes }: KernelShape): readonly string[] =>
  dtypes.residual
    ? [
        `let added = vec4<${dtypes.sum ?? 'f32'}>(vec4f(x[i]) + vec4f(residual[i]));`,
        'sum[i] = added;',
        'let value = vec4f(added);',
      ]
    : ['let value = vec4f(x[i]);'];

/** WGSL of any later read of that vector. */
export const laterVector = ({ dtypes }: KernelShape): string => `vec4f(${dtypes.residual ? 'sum' : 'x'}[i])`;
