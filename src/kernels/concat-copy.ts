import { DTYPE_BYTES } from '../core/dtype.ts';
import { elementCount, normalizeAxis } from '../core/shape.ts';
import { around, CONCAT_INPUTS, concat } from '../ops/movement.ts';
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
import { defineKernel, type KernelShape } from './kernel.ts';

/**
 * Up to four tensors joined along an axis. With everything inside the axis flattened, a row of y holds `span0`
 * elements of x0, then `span1` of x1, and so on; a thread finds the part its place lies in.
 */
export const concatCopy = defineKernel({
  name: 'concat_copy',
  op: concat,
  bindings: { x0: 'read', x1: 'read?', x2: 'read?', x3: 'read?', y: 'write' },
  params: { count: 'u32', total: 'u32', span0: 'u32', span1: 'u32', span2: 'u32', span3: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, outputs, attrs }) {
    const spans = CONCAT_INPUTS.map((name) => {
      const shape = inputs[name]?.shape;
      if (!shape) return 0;
      const { size, inner } = around(shape, normalizeAxis(attrs.axis, shape.length, 'concat_copy'));
      return size * inner;
    });
    const [span0 = 0, span1 = 0, span2 = 0, span3 = 0] = spans;
    const total = span0 + span1 + span2 + span3;
    const count = elementCount(required(outputs, 'y', 'concat_copy').shape);
    return { params: { count, total, span0, span1, span2, span3 } };
  },
  supports({ params }, t) {
    const { span0, span1, span2, span3 } = params;
    return lanesDivide({ span0, span1, span2, span3 }, t);
  },
  elements: ({ dtypes }, t) => laneElements(dtypes, t),
  wgsl: (shape, t) =>
    elementMain(
      t,
      wgsl`
        let row = i / (params.total / LANES);
        var column = i % (params.total / LANES);

        ${copyParts(shape)}
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = params.count * DTYPE_BYTES[required(dtypes, 'x0', 'concat_copy')];
    return { flops: 0, bytesRead: bytes, bytesWritten: bytes };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});

function copyParts({ dtypes }: KernelShape): string[] {
  return CONCAT_INPUTS.filter((name) => name in dtypes).flatMap((name, part) => [
    `let span${part} = params.span${part} / LANES;`,
    `if (column < span${part}) {`,
    `  y[i] = ${name}[row * span${part} + column];`,
    '  return;',
    '}',
    `column -= span${part};`,
  ]);
}
