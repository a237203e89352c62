import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { markSeen } from '../ops/sampling.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** One thread per id writes its mark; two that write the same place write the same value. */
export const markSeenScatter = defineKernel({
  name: 'mark_seen_scatter',
  op: markSeen,
  bindings: { seen: 'read_write', ids: 'read' },
  params: { count: 'u32', idsPerRow: 'u32', vocab: 'u32' },
  tuning: { lanes: [1] },
  prepare({ inputs }) {
    const { shape } = required(inputs, 'seen', 'mark_seen_scatter');
    const count = elementCount(required(inputs, 'ids', 'mark_seen_scatter').shape);
    return { params: { count, idsPerRow: count / dim(shape, 0), vocab: dim(shape, 1) } };
  },
  supports: () => true,
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        // A negative id is a huge one when unsigned.
        let token = u32(ids[i]);
        if (token < params.vocab) { seen[i / params.idsPerRow * params.vocab + token] = 1u; }
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost: ({ params }) => ({
    flops: 0,
    bytesRead: params.count * DTYPE_BYTES.u32,
    bytesWritten: params.count * DTYPE_BYTES.u32,
  }),
});
