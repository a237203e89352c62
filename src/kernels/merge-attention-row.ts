import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { mergeAttention } from '../ops/attention-parts.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Joins the parts of each row by their maxima and sums; one thread per element of y. parts [parts, rows, headDim]. */
export const mergeAttentionRow = defineKernel({
  name: 'merge_attention_row',
  op: mergeAttention,
  bindings: { parts: 'read', stats: 'read', y: 'write' },
  params: { count: 'u32', rows: 'u32', headDim: 'u32', parts: 'u32' },
  tuning: { lanes: [1] },
  prepare({ inputs }) {
    const { shape } = required(inputs, 'parts', 'merge_attention_row');
    const [parts, headDim] = [dim(shape, 0), dim(shape, -1)];
    const count = elementCount(shape) / parts;
    return { params: { count, rows: count / headDim, headDim, parts } };
  },
  supports: () => true,
  wgsl: ({ dtypes }, t) =>
    elementMain(
      t,
      wgsl`
        let row = i / params.headDim;
        var most = -3.0e38;
        for (var part = 0u; part < params.parts; part++) {
          let at = 2u * (part * params.rows + row);
          if (stats[at + 1u] > 0.0) { most = max(most, stats[at]); }
        }
        var total = 0.0;
        var sum = 0.0;
        for (var part = 0u; part < params.parts; part++) {
          let at = part * params.rows + row;
          // An empty part has a sum of 0; its maximum means nothing.
          let shrink = select(0.0, exp(stats[2u * at] - most), stats[2u * at + 1u] > 0.0);
          sum += stats[2u * at + 1u] * shrink;
          total += parts[at * params.headDim + i % params.headDim] * shrink;
        }
        y[i] = ${dtypes.y ?? 'f32'}(select(0.0, total / sum, sum > 0.0));
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost: ({ params, dtypes }) => ({
    flops: 4 * params.count * params.parts,
    bytesRead: 4 * params.count * params.parts,
    bytesWritten: params.count * DTYPE_BYTES[dtypes.y ?? 'f32'],
  }),
});
