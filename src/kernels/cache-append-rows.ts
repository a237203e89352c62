import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { cacheAppend } from '../ops/cache-append.ts';
import { required } from '../ops/op.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/**
 * Appends rows to a KV cache in place; one thread per element.
 * cache [B, T, width], x [B, S, width], past [B] u32, where width is K D.
 */
export const cacheAppendRows = defineKernel({
  name: 'cache_append_rows',
  op: cacheAppend,
  bindings: { cache: 'read_write', x: 'read', past: 'read' },
  params: { count: 'u32', tokens: 'u32', width: 'u32', capacity: 'u32' },
  tuning: { workgroupSize: [64] },
  prepare({ inputs }) {
    const [batch = 0, tokens = 0, heads = 0, headDim = 0] = required(inputs, 'x', 'cache_append_rows').shape;
    const capacity = dim(required(inputs, 'cache', 'cache_append_rows').shape, 1);
    const width = heads * headDim;
    return { params: { count: batch * tokens * width, tokens, width, capacity } };
  },
  supports: () => true,
  wgsl: ({ dtypes }, t) => wgsl`
    ${workgroupIndex}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
      if (index >= params.count) { return; }
      let row = index / params.width;
      let batch = row / params.tokens;
      let slot = past[batch] + row % params.tokens;
      if (slot >= params.capacity) { return; }
      cache[(batch * params.capacity + slot) * params.width + index % params.width] = ${dtypes.cache ?? 'f32'}(x[index]);
    }
  `,
  dispatch: ({ params }, t) => spreadWorkgroups(Math.ceil(params.count / t.workgroupSize)),
  cost: ({ params, dtypes }) => ({
    flops: 0,
    bytesRead: params.count * DTYPE_BYTES[dtypes.x ?? 'f32'],
    bytesWritten: params.count * DTYPE_BYTES[dtypes.cache ?? 'f32'],
  }),
});
