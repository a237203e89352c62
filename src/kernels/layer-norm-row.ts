import { addLayerNorm, type LayerNormAttrs, layerNorm } from '../ops/norm.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupSum } from '../wgsl/reduce.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape, type OpCall } from './kernel.ts';
import { firstRead, laterRead, normOfRows, rowSizes } from './row-workgroup.ts';

export const layerNormParams = { rows: 'u32', cols: 'u32', eps: 'f32' } as const;
export const prepareLayerNorm = ({ inputs, attrs }: OpCall<LayerNormAttrs>) => ({
  params: { ...rowSizes(inputs), eps: attrs.eps },
});

/**
 * Layer norm of each row; one workgroup per row. Mean first, then the variance about it: a one-pass variance loses
 * a small spread beside a large mean. What rounding left in the mean is found in the second pass and taken out of
 * both (corrected two-pass, Chan, Golub & LeVeque 1983). Accumulates in f32. x [rows, cols] f32|f16 → y same.
 */
export const layerNormRow = defineKernel({
  name: 'layer_norm_row',
  op: layerNorm,
  bindings: { x: 'read', weight: 'read', bias: 'read?', y: 'write' },
  ...normOfRows,
  params: layerNormParams,
  prepare: prepareLayerNorm,
  wgsl: (shape, t) => layerNormText(shape, t.workgroupSize),
});

/** sum = x + residual and its layer norm: as `layerNormRow`, with the sum stored on the way. */
export const addLayerNormRow = defineKernel({
  name: 'add_layer_norm_row',
  op: addLayerNorm,
  bindings: { x: 'read', residual: 'read', weight: 'read', bias: 'read?', sum: 'write', y: 'write' },
  ...normOfRows,
  params: layerNormParams,
  prepare: prepareLayerNorm,
  wgsl: (shape, t) => layerNormText(shape, t.workgroupSize),
});

const layerNormText = (shape: KernelShape, workgroupSize: number): WgslSource => wgsl`
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

    var total = 0.0;
    for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
      let i = start + c;
      ${firstRead(shape)}
      total += value;
    }
    let mean = workgroupSum(total, thread) / f32(params.cols);

    var squares = 0.0;
    var remainder = 0.0;
    for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
      let i = start + c;
      let centered = ${laterRead(shape)} - mean;
      squares += centered * centered;
      remainder += centered;
    }
    let shift = workgroupSum(remainder, thread) / f32(params.cols);
    let variance = max(workgroupSum(squares, thread) / f32(params.cols) - shift * shift, 0.0);
    let scale = inverseSqrt(variance + params.eps);

    for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
      let i = start + c;
      let normed = (${laterRead(shape)} - mean - shift) * scale * f32(weight[c]);
      y[i] = ${shape.dtypes.y ?? 'f32'}(${shape.dtypes.bias ? 'normed + f32(bias[c])' : 'normed'});
    }
  }
`;
