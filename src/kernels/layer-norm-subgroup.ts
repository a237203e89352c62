import { addLayerNorm, layerNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { type Snippet, type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape } from './kernel.ts';
import { layerNormParams, prepareLayerNorm } from './layer-norm-row.ts';
import { firstVector, laterVector, normOfSubgroups } from './row-subgroup.ts';

/**
 * Layer norm of each row by one subgroup. Each of a lane's four sums keeps a running mean and the squares about it
 * (Welford 1962), which are joined at the end (Chan, Golub & LeVeque 1983): one pass that loses no small spread beside a
 * large mean, since all is counted from the row's first value. Accumulates in f32. x [rows, cols] f32|f16 → y same.
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

/** Joins what the lanes have seen: `count` values in each of the four sums. */
const momentsOfRow: Snippet = {
  name: 'momentsOfRow',
  uses: [subgroups],
  code: `
    struct Moments { mean: f32, scale: f32 }

    fn momentsOfRow(mean: vec4f, squares: vec4f, count: f32) -> Moments {
      let cols = f32(params.cols);
      let rowMean = subgroupAdd(dot(mean, vec4f(count))) / cols;
      let away = mean - rowMean;
      let total = subgroupAdd(dot(squares + count * away * away, vec4f(1.0)));
      return Moments(rowMean, inverseSqrt(total / cols + params.eps));
    }
  `,
};

const layerNormText = (shape: KernelShape, lanes: number): WgslSource => wgsl`
  ${subgroups}${workgroupIndex}${momentsOfRow}
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

    let base = f32(x[start].x)${shape.dtypes.residual ? ' + f32(residual[start].x)' : ''};
    var mean = vec4f(0.0);
    var squares = vec4f(0.0);
    var count = 0.0;
    for (var c = lane; c < vectors; c += LANES) {
      let i = start + c;
      ${firstVector(shape)}
      let away = value - base - mean;
      count += 1.0;
      mean += away / count;
      squares += away * (value - base - mean);
    }
    let moments = momentsOfRow(mean, squares, count);

    for (var c = lane; c < vectors; c += LANES) {
      let i = start + c;
      let normed = (${laterVector(shape)} - base - moments.mean) * moments.scale * vec4f(weight[c]);
      y[i] = vec4<${shape.dtypes.y ?? 'f32'}>(${shape.dtypes.bias ? 'normed + vec4f(bias[c])' : 'normed'});
    }
  }
`;
