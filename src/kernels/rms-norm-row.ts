import { addRmsNorm, type RmsNormAttrs, rmsNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupSum } from '../wgsl/reduce.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape, type OpCall } from './kernel.ts';
import { firstRead, laterRead, normOfRows, rowSizes } from './row-workgroup.ts';

export const rmsNormParams = { rows: 'u32', cols: 'u32', eps: 'f32', offset: 'f32' } as const;
export const prepareRmsNorm = ({ inputs, attrs }: OpCall<RmsNormAttrs>) => ({
  params: { ...rowSizes(inputs), eps: attrs.eps, offset: attrs.offset },
});

/**
 * RMS norm of each row; one workgroup per row. Accumulates in f32, since squares of f16 activations overflow f16.
 * x [rows, cols] f32|f16 → y same.
 */
export const rmsNormRow = defineKernel({
  name: 'rms_norm_row',
  op: rmsNorm,
  bindings: { x: 'read', weight: 'read', y: 'write' },
  ...normOfRows,
  params: rmsNormParams,
  prepare: prepareRmsNorm,
  wgsl: (shape, t) => rmsNormText(shape, t.workgroupSize),
});

/** sum = x + residual and its RMS norm: as `rmsNormRow`, with the sum stored on the way. */
export const addRmsNormRow = defineKernel({
  name: 'add_rms_norm_row',
  op: addRmsNorm,
  bindings: { x: 'read', residual: 'read', weight: 'read', sum: 'write', y: 'write' },
  ...normOfRows,
  params: rmsNormParams,
  prepare: prepareRmsNorm,
  wgsl: (shape, t) => rmsNormText(shape, t.workgroupSize),
});

const rmsNormText = (shape: KernelShape, workgroupSize: number): WgslSource => wgsl`
  ${workgroupIndex}${workgroupSum(workgroupSize)}
  const WORKGROUP_SIZE = ${workgroupSize}u;

  @compute @workgroup_size(WORKGROUP_SIZE)
  fn main(
    @builtin(workgroup_id) workgroupId: vec3u,
    @builtin(num_workgroups) numWorkgroups: vec3u,
    @builtin(local_invocation_index) thread: u32,
  ) {
    let row = workgroupIndex(workgroupId, numWorkgroups);
    if (row >= params.rows) { return; }
    let start = row * params.cols;

    var squares = 0.0;
    for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
      let i = start + c;
      ${firstRead(shape)}
      squares += value * value;
    }
    let scale = inverseSqrt(workgroupSum(squares, thread) / f32(params.cols) + params.eps);

    for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
      let i = start + c;
      y[i] = ${shape.dtypes.y ?? 'f32'}(${laterRead(shape)} * scale * (params.offset + f32(weight[c])));
    }
  }
`;
