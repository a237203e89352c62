import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { interpolate } from '../ops/interpolate.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Bilinear or bicubic resampling, one thread per result over 4 x 4 neighbours; bilinear weighs the outer ones 0. */
export const interpolateTaps = defineKernel({
  name: 'interpolate_taps',
  op: interpolate,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32', height: 'u32', width: 'u32', outHeight: 'u32', outWidth: 'u32' },
  tuning: { lanes: [1] },
  prepare({ inputs, outputs, attrs }) {
    const x = required(inputs, 'x', 'interpolate_taps').shape;
    const y = required(outputs, 'y', 'interpolate_taps').shape;
    return {
      params: {
        count: elementCount(y),
        height: dim(x, 2),
        width: dim(x, 3),
        outHeight: dim(y, 2),
        outWidth: dim(y, 3),
      },
      variant: { mode: attrs.mode },
    };
  },
  supports: () => true,
  wgsl: ({ dtypes, variant }, t) => wgsl`
    // Of the neighbours at -1, 0, 1 and 2 from a point t beyond the second.
    fn tapWeights(t: f32) -> vec4f {
      ${variant.mode === 'bicubic' ? BICUBIC : BILINEAR}
    }

    ${elementMain(
      t,
      wgsl`
        let column = i % params.outWidth;
        let row = i / params.outWidth % params.outHeight;
        let plane = i / (params.outWidth * params.outHeight);

        let sourceY = (f32(row) + 0.5) * f32(params.height) / f32(params.outHeight) - 0.5;
        let sourceX = (f32(column) + 0.5) * f32(params.width) / f32(params.outWidth) - 0.5;
        let weightsY = tapWeights(sourceY - floor(sourceY));
        let weightsX = tapWeights(sourceX - floor(sourceX));

        var sum = 0.0;
        for (var dy = 0; dy < 4; dy++) {
          let r = u32(clamp(i32(floor(sourceY)) + dy - 1, 0, i32(params.height) - 1));
          for (var dx = 0; dx < 4; dx++) {
            let c = u32(clamp(i32(floor(sourceX)) + dx - 1, 0, i32(params.width) - 1));
            sum += weightsY[dy] * weightsX[dx] * f32(x[(plane * params.height + r) * params.width + c]);
          }
        }
        y[i] = ${required(dtypes, 'y', 'interpolate_taps')}(sum);
      `,
    )}
  `,
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = DTYPE_BYTES[required(dtypes, 'x', 'interpolate_taps')];
    return {
      flops: 64 * params.count,
      bytesRead: 16 * params.count * bytes,
      bytesWritten: params.count * bytes,
    };
  },
});

const BILINEAR = wgsl`return vec4f(0.0, 1.0 - t, t, 0.0);`;

// Keys 1981 with a = -0.75, as torch.
const BICUBIC = wgsl`
  let near = vec2f(t, 1.0 - t);
  let far = vec2f(t + 1.0, 2.0 - t);
  let inner = (1.25 * near - 2.25) * near * near + 1.0;
  let outer = -0.75 * ((far - 5.0) * far + 8.0) * far + 3.0;
  return vec4f(outer.x, inner.x, inner.y, outer.y);
`;
