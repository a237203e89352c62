import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { pagedAppend } from '../ops/paged-append.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/**
 * Appends rows to a KV cache in pages, in place; one thread per element.
 * cache [P, G, width], x [B, S, width], past [B] u32, pages [B, N] u32, where width is K D.
 */
export const pagedAppendRows = defineKernel({
  name: 'paged_append_rows',
  op: pagedAppend,
  bindings: { cache: 'read_write', x: 'read', past: 'read', pages: 'read' },
  params: { count: 'u32', tokens: 'u32', width: 'u32', pageSize: 'u32', pagesPerRow: 'u32' },
  tuning: { workgroupSize: [64] },
  prepare({ inputs }) {
    const [batch = 0, tokens = 0, heads = 0, headDim = 0] = required(inputs, 'x', 'paged_append_rows').shape;
    const width = heads * headDim;
    return {
      params: {
        count: batch * tokens * width,
        tokens,
        width,
        pageSize: dim(required(inputs, 'cache', 'paged_append_rows').shape, 1),
        pagesPerRow: dim(required(inputs, 'pages', 'paged_append_rows').shape, 1),
      },
    };
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
      let place = past[batch] + row % params.tokens;
      if (place >= params.pagesPerRow * params.pageSize) { return; }
      let page = pages[batch * params.pagesPerRow + place / params.pageSize];
      let slot = page * params.pageSize + place % params.pageSize;
      cache[slot * params.width + index % params.width] = ${dtypes.cache ?? 'f32'}(x[index]);
    }
  `,
  dispatch: ({ params }, t) => spreadWorkgroups(Math.ceil(params.count / t.workgroupSize)),
  cost: ({ params, dtypes }) => ({
    flops: 0,
    bytesRead: params.count * DTYPE_BYTES[dtypes.x ?? 'f32'],
    bytesWritten: params.count * DTYPE_BYTES[dtypes.cache ?? 'f32'],
  }),
});
