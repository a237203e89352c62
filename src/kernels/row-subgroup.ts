import type { Caps } from '../core/caps.ts';
import { type KernelShape, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { hasSubgroupsOf } from './product-work.ts';
import { rowCost } from './row-workgroup.ts';

/**
 * What the norm kernels of one subgroup a row share. Its lanes read neighbouring vec4 and add up in registers: no
 * barrier, no workgroup memory, and two reads of a row.
 */

type RowCall = KernelShape & { readonly params: { readonly rows: number; readonly cols: number } };
interface RowTuning {
  readonly lanes: number;
}

/**
 * Beside the smallest workgroup of `rowEfficiency`, which pays for barriers and reads float by float. Least CPU time of 9
 * runs on a busy machine in ms, a workgroup of 8 and then a subgroup: layer norm 197×768 on lavapipe 2.6 and 1.2, on
 * SwiftShader 17 and 3.7; 4096×1024 106 and 37, 447 and 124. Two rows a subgroup, which read the weight once, took
 * 35 and 114, too little for twice the code.
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
  dispatch: ({ params }: RowCall) => spreadWorkgroups(params.rows),
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
