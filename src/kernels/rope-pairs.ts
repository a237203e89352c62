import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { rope } from '../ops/rope.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/**
 * Rotary embedding; one thread per pair of dims, the pairs past R copied through.
 * x [tokens, heads, headDim] f32|f16, cos and sin [P, half] f32, positions [tokens] u32 → y like x.
 */
export const ropePairs = defineKernel({
  name: 'rope_pairs',
  op: rope,
  bindings: { x: 'read', cos: 'read', sin: 'read', positions: 'read', y: 'write' },
  params: { rows: 'u32', heads: 'u32', headDim: 'u32', half: 'u32' },
  tuning: { workgroupSize: [64] },
  prepare({ inputs, attrs }) {
    const [batch = 0, tokens = 0, heads = 0, headDim = 0] = required(inputs, 'x', 'rope_pairs').shape;
    const half = dim(required(inputs, 'cos', 'rope_pairs').shape, 1);
    return {
      params: { rows: batch * tokens * heads, heads, headDim, half },
      variant: { interleaved: attrs.interleaved },
    };
  },
  supports: () => true,
  wgsl: ({ dtypes, variant }, t) => wgsl`
    ${workgroupIndex}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      // Per row: half pairs that turn, then the dims that pass through, one thread each.
      let perRow = params.headDim - params.half;
      let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
      let row = index / perRow;
      if (row >= params.rows) { return; }
      let i = index % perRow;
      let start = row * params.headDim;
      if (i >= params.half) {
        y[start + params.half + i] = ${dtypes.y ?? 'f32'}(x[start + params.half + i]);
        return;
      }
      let entry = positions[row / params.heads] * params.half + i;
      let first = start + ${variant.interleaved ? '2u * i' : 'i'};
      let second = first + ${variant.interleaved ? '1u' : 'params.half'};
      let a = f32(x[first]);
      let b = f32(x[second]);
      y[first] = ${dtypes.y ?? 'f32'}(a * cos[entry] - b * sin[entry]);
      y[second] = ${dtypes.y ?? 'f32'}(b * cos[entry] + a * sin[entry]);
    }
  `,
  dispatch: ({ params }, t) =>
    spreadWorkgroups(Math.ceil((params.rows * (params.headDim - params.half)) / t.workgroupSize)),
  cost({ params, dtypes }) {
    const bytes = params.rows * params.headDim * DTYPE_BYTES[dtypes.x ?? 'f32'];
    const tableBytes = (params.rows / params.heads) * params.half * 8;
    return { flops: 6 * params.rows * params.half, bytesRead: bytes + tableBytes, bytesWritten: bytes };
  },
});
