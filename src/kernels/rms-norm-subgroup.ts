import { addRmsNorm, rmsNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape } from './kernel.ts';
import { range } from './product-work.ts';
import { prepareRmsNorm, rmsNormParams } from './rms-norm-row.ts';
import { firstVector, laterVector, normOfSubgroups, SUBGROUP_ROWS } from './row-subgroup.ts';

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
  const ROWS = ${SUBGROUP_ROWS}u;

  @compute @workgroup_size(LANES)
  fn main(
    @builtin(workgroup_id) workgroupId: vec3u,
    @builtin(num_workgroups) numWorkgroups: vec3u,
    @builtin(subgroup_invocation_id) lane: u32,
  ) {
    let firstRow = workgroupIndex(workgroupId, numWorkgroups) * ROWS;
    if (firstRow >= params.rows) { return; }
    let count = min(ROWS, params.rows - firstRow);
    let vectors = params.cols / 4u;

    var scales: array<f32, ROWS>;
    for (var r = 0u; r < count; r++) {
      var squares = vec4f(0.0);
      for (var c = lane; c < vectors; c += LANES) {
        let i = (firstRow + r) * vectors + c;
        ${firstVector(shape)}
        squares += value * value;
      }
      let total = subgroupAdd(dot(squares, vec4f(1.0)));
      scales[r] = inverseSqrt(total / f32(params.cols) + params.eps);
    }

    for (var c = lane; c < vectors; c += LANES) {
      let factor = params.offset + vec4f(weight[c]);
      ${range(SUBGROUP_ROWS).flatMap((r) => [
        `if (${r}u < count) {`,
        `  let i = (firstRow + ${r}u) * vectors + c;`,
        `  y[i] = vec4<${shape.dtypes.y ?? 'f32'}>(${laterVector(shape)} * scales[${r}] * factor);`,
        '}',
      ])}
    }
  }
`;
