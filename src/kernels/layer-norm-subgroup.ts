import { addLayerNorm, layerNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape } from './kernel.ts';
import { layerNormParams, prepareLayerNorm } from './layer-norm-row.ts';
import { range } from './product-work.ts';
import { firstVector, laterVector, normOfSubgroups, SUBGROUP_ROWS } from './row-subgroup.ts';

/**
 * Layer norm of each row by one subgroup, in one pass of sums. They are counted from the mean of the row's first vectors,
 * one a lane, so that no small spread is lost beside a large mean: the error grows with the square of how far that is
 * from the mean, in spreads (Chan, Golub & LeVeque 1983), at most by the length of the row over that of its beginning
 * squared. Accumulates in f32. x [rows, cols] f32|f16 → y same.
 */
export const layerNormSubgroup = defineKernel({
  name: 'layer_norm_subgroup',
  op: layerNorm,
  bindings: { x: 'read', weight: 'read', bias: 'read?', y: 'write' },
  ...normOfSubgroups,
  params: layerNormParams,
  prepare: prepareLayerNorm,
  wgsl: (shape, t) => layerNormText(shape, t.lanes),
});

/** sum = x + residual and its layer norm: as `layerNormSubgroup`, with the sum stored on the way. */
export const addLayerNormSubgroup = defineKernel({
  name: 'add_layer_norm_subgroup',
  op: addLayerNorm,
  bindings: { x: 'read', residual: 'read', weight: 'read', bias: 'read?', sum: 'write', y: 'write' },
  ...normOfSubgroups,
  params: layerNormParams,
  prepare: prepareLayerNorm,
  wgsl: (shape, t) => layerNormText(shape, t.lanes),
});

const layerNormText = (shape: KernelShape, lanes: number): WgslSource => wgsl`
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
    let cols = f32(params.cols);

    // Of each row what sums are counted from, the mean above that, and the factor.
    var moments: array<vec3f, ROWS>;
    for (var r = 0u; r < count; r++) {
      let start = (firstRow + r) * vectors;
      let near = start + min(lane, vectors - 1u);
      let nearby = ${shape.dtypes.residual ? 'vec4f(x[near]) + vec4f(residual[near])' : 'vec4f(x[near])'};
      let base = subgroupAdd(dot(nearby, vec4f(0.25 / f32(LANES))));
      var total = vec4f(0.0);
      var squares = vec4f(0.0);
      for (var c = lane; c < vectors; c += LANES) {
        let i = start + c;
        ${firstVector(shape)}
        let away = value - base;
        total += away;
        squares += away * away;
      }
      let mean = subgroupAdd(dot(total, vec4f(1.0))) / cols;
      let variance = subgroupAdd(dot(squares, vec4f(1.0))) / cols - mean * mean;
      moments[r] = vec3f(base, mean, inverseSqrt(max(variance, 0.0) + params.eps));
    }

    for (var c = lane; c < vectors; c += LANES) {
      let factor = vec4f(weight[c]);
      ${shape.dtypes.bias ? 'let offset = vec4f(bias[c]);' : ''}
      ${range(SUBGROUP_ROWS).flatMap((r) => [
        `if (${r}u < count) {`,
        `  let i = (firstRow + ${r}u) * vectors + c;`,
        `  let normed = (${laterVector(shape)} - moments[${r}].x - moments[${r}].y) * moments[${r}].z * factor;`,
        `  y[i] = vec4<${shape.dtypes.y ?? 'f32'}>(${shape.dtypes.bias ? 'normed + offset' : 'normed'});`,
        '}',
      ])}
    }
  }
`;
