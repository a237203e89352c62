import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { mergeAttention } from '../ops/attention-parts.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Joins the parts of each row by their maxima and sums; one thread per element of y. parts [parts, rows, headDim]. */
export const mergeAttentionRow = defineKernel({
  name: 'merge_attention_row',
  op: mergeAttention,
  bindings: { parts: 'read', stats: 'read', y: 'write' },
  params: { count: 'u32', rows: 'u32', headDim: 'u32', parts: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs }) {
    const { shape } = required(inputs, 'parts', 'merge_attention_row');
    const [parts, headDim] = [dim(shape, 0), dim(shape, -1)];
    const count = elementCount(shape) / parts;
    return { params: { count, rows: count / headDim, headDim, parts } };
  },
  supports: ({ params: { headDim } }, t) => lanesDivide({ headDim }, t),
  elements: ({ dtypes }, t) => ({ ...laneElements(dtypes, t, ['parts', 'y']), stats: 'vec2<f32>' }),
  wgsl: ({ dtypes }, t) => {
    const float = t.lanes === 4 ? 'vec4f' : 'f32';
    const stored = t.lanes === 4 ? `vec4<${dtypes.y}>` : `${dtypes.y}`;
    return elementMain(
      t,
      wgsl`
        let length = params.headDim / LANES;
        let row = i / length;
        var most = -3.0e38;
        var sum = 0.0;
        var total = ${float}();
        for (var part = 0u; part < params.parts; part++) {
          let at = part * params.rows + row;
          let partMax = stats[at].x;
          let partSum = stats[at].y;
          // An empty part has a sum of 0; its maximum means nothing.
          let newMost = select(most, max(most, partMax), partSum > 0.0);
          let weight = select(0.0, exp(partMax - newMost), partSum > 0.0);
          let shrink = exp(most - newMost);
          sum = sum * shrink + partSum * weight;
          total = total * shrink + parts[at * length + i % length] * weight;
          most = newMost;
        }
        y[i] = ${stored}(select(${float}(), total / sum, sum > 0.0));
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost: ({ params, dtypes }) => ({
    flops: 4 * params.count * params.parts,
    bytesRead: 4 * params.count * params.parts,
    bytesWritten: params.count * DTYPE_BYTES[dtypes.y ?? 'f32'],
  }),
  efficiency: (_call, t) => elementEfficiency(t),
});
