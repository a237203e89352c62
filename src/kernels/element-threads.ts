import type { DType } from '../core/dtype.ts';
import type { Named } from '../ops/op.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { spreadWorkgroups } from './kernel.ts';

// The frame of kernels whose threads each make one element of y, or four neighbours as a vec4.

/** Under every adapter's limit, and a multiple of every subgroup size. */
const WORKGROUP_SIZE = 64;

export const ELEMENT_TUNING = { lanes: [4, 1] } as const;
export type ElementTuning = { readonly lanes: 4 | 1 };

/** Four lanes where each of `sizes` (runs of neighbours and where they start) is a multiple of four. */
export const lanesDivide = (sizes: Named<number>, { lanes }: ElementTuning): true | string => {
  const odd = Object.entries(sizes).find(([, size]) => size % lanes !== 0);
  return odd ? `${odd[0]} ${odd[1]} is no multiple of ${lanes} lanes` : true;
};

/** `f32`, or `vec4<f32>`. */
export const laneType = (dtype: DType, { lanes }: ElementTuning): string =>
  lanes === 4 ? `vec4<${dtype}>` : dtype;

/** Bindings as their lane types, all of them or those named. */
export const laneElements = (
  dtypes: Named<DType>,
  t: ElementTuning,
  names: readonly string[] = Object.keys(dtypes),
): Named<string> =>
  Object.fromEntries(
    Object.entries(dtypes).flatMap(([name, dtype]) =>
      names.includes(name) ? [[name, laneType(dtype, t)]] : [],
    ),
  );

/** `main` around `body`, which sees the number of its element (or four) as `i`; the count is `params.count`. */
export const elementMain = ({ lanes }: ElementTuning, body: WgslSource): WgslSource => wgsl`
  ${workgroupIndex}
  const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
  const LANES = ${lanes}u;

  @compute @workgroup_size(WORKGROUP_SIZE)
  fn main(
    @builtin(workgroup_id) workgroupId: vec3u,
    @builtin(num_workgroups) numWorkgroups: vec3u,
    @builtin(local_invocation_index) thread: u32,
  ) {
    let i = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
    if (i >= params.count / LANES) { return; }

    ${body}
  }
`;

export const elementWorkgroups = (count: number, { lanes }: ElementTuning) =>
  spreadWorkgroups(Math.ceil(count / (lanes * WORKGROUP_SIZE)));

/** Four lanes move a vec4 per instruction: a guess until a kernel is measured. */
export const elementEfficiency = ({ lanes }: ElementTuning): number => (lanes === 4 ? 1 : 1.5);
