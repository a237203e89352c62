import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { patchify } from '../ops/patchify.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Each thread fetches the pixel of its place in a patch: [B, channels, H, W] → [B, patches, channels * P * P]. */
export const patchifyGather = defineKernel({
  name: 'patchify_gather',
  op: patchify,
  bindings: { x: 'read', y: 'write' },
  params: {
    count: 'u32',
    channels: 'u32',
    height: 'u32',
    width: 'u32',
    patchSize: 'u32',
    patchRows: 'u32',
    patchColumns: 'u32',
  },
  // Patches start at any column, so four neighbours in y are four aligned ones in x only by luck.
  tuning: { lanes: [1] },
  prepare({ inputs, outputs, attrs: { patchSize } }) {
    const { shape } = required(inputs, 'x', 'patchify_gather');
    const [channels, height, width] = [dim(shape, 1), dim(shape, 2), dim(shape, 3)];
    return {
      params: {
        count: elementCount(required(outputs, 'y', 'patchify_gather').shape),
        channels,
        height,
        width,
        patchSize,
        patchRows: Math.floor(height / patchSize),
        patchColumns: Math.floor(width / patchSize),
      },
    };
  },
  supports: () => true,
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let p = params.patchSize;
        let px = i % p;
        let py = i / p % p;
        let channel = i / (p * p) % params.channels;
        let cell = i / (p * p * params.channels);

        let patchX = cell % params.patchColumns;
        let patchY = cell / params.patchColumns % params.patchRows;
        let picture = cell / (params.patchColumns * params.patchRows);

        let row = (picture * params.channels + channel) * params.height + patchY * p + py;
        y[i] = x[row * params.width + patchX * p + px];
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = params.count * DTYPE_BYTES[required(dtypes, 'x', 'patchify_gather')];
    return { flops: 0, bytesRead: bytes, bytesWritten: bytes };
  },
});
