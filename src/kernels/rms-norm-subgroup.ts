import { addRmsNorm, rmsNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape } from './kernel.ts';
import { prepareRmsNorm, rmsNormParams } from './rms-norm-row.ts';
import { firstVector, laterVector, normOfSubgroups } from './row-subgroup.ts';

/** RMS norm of each row by one subgroup. Accumulates in f32. x [rows, cols] f32|f16 → y same. */
export const rmsNormSubgroup = defineKernel({
  name: 'rms_norm_subgroup',
  op: rmsNorm,
  bindings: { x: 'read', weight: 'read', y: 'write' },
  ...normOfSubgroups,
  params: rmsNormParams,
  prepare: prepareRmsNorm,
  wgsl: (shape, t) => rmsNormText(shape, t.lanes),
});

/** sum = x + residual and its RMS norm: as `rmsNormSubgroup`, with the sum stored on the way. */
export const addRmsNormSubgroup = defineKernel({
  name: 'add_rms_norm_subgroup',
  op: addRmsNorm,
  bindings: { x: 'read', residual: 'read', weight: 'read', sum: 'write', y: 'write' },
  ...normOfSubgroups,
  params: rmsNormParams,
  prepare: prepareRmsNorm,
  wgsl: (shape, t) => rmsNormText(shape, t.lanes),
});

const rmsNormText = (shape: KernelShape, lanes: number): WgslSource => wgsl`
  ${subgroups}${workgroupIndex}
  const LANES = ${lanes}u;

  @compute @workgroup_size(LANES)
  fn main(
    @builtin(workgroup_id) workgroupId: vec3u,
    @builtin(num_workgroups) numWorkgroups: vec3u,
    @builtin(subgroup_invocation_id) lane: u32,
  ) {
    let row = workgroupIndex(workgroupId, numWorkgroups);
    if (row >= params.rows) { return; }
    let vectors = params.cols / 4u;
    let start = row * vectors;

    var squares = 0.0;
    for (var c = lane; c < vectors; c += LANES) {
      let i = start + c;
      ${firstVector(shape)}
      squares += dot(value, value);
    }
    let scale = inverseSqrt(subgroupAdd(squares) / f32(params.cols) + params.eps);

    for (var c = lane; c < vectors; c += LANES) {
      let i = start + c;
      y[i] = vec4<${shape.dtypes.y ?? 'f32'}>(${laterVector(shape)} * scale * (params.offset + vec4f(weight[c])));
    }
  }
`;
