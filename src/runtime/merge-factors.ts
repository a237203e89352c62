import { invariant } from '../core/errors.ts';
import { dim } from '../core/shape.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import type { LowRankUpdate } from '../weights/low-rank-update.ts';
import { readTensor } from '../weights/read-tensor.ts';
import type { MergeFactors } from './weight-convert.ts';

/**
 * The updates of one tensor as one product on the GPU: factors side by side, scales in the left one. Reads whole
 * factors, which are small. The caller destroys both buffers.
 */
export async function loadMergeFactors(
  device: Device,
  name: string,
  updates: readonly LowRankUpdate[],
  signal: AbortSignal | undefined,
): Promise<Omit<MergeFactors, 'firstRow'>> {
  const [first] = updates;
  invariant(first, `no update of "${name}"`);
  const [rows, columns] = first.transposed
    ? [dim(first.a.shape, 1), dim(first.b.shape, 0)]
    : [dim(first.b.shape, 0), dim(first.a.shape, 1)];
  const rank = updates.reduce((sum, { a }) => sum + dim(a.shape, 0), 0);
  const left = new Float32Array(rows * rank);
  const right = new Float32Array(rank * columns);
  let at = 0;
  for (const { a, b, scale, transposed } of updates) {
    const r = dim(a.shape, 0);
    const [down, up] = await Promise.all([readTensor(a, 'f32', signal), readTensor(b, 'f32', signal)]);
    // Of (B A)ᵀ = Aᵀ Bᵀ the left factor is Aᵀ, and its rows lie along A's.
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < r; i++)
        left[row * rank + at + i] =
          scale * ((transposed ? down[i * rows + row] : up[row * r + i]) ?? Number.NaN);
    for (let i = 0; i < r; i++)
      for (let column = 0; column < columns; column++)
        right[(at + i) * columns + column] =
          (transposed ? up[column * r + i] : down[i * columns + column]) ?? Number.NaN;
    at += r;
  }
  const upload = (label: string, values: Float32Array<ArrayBuffer>): GPUBuffer => {
    const usage = bufferUsage.storage | bufferUsage.copyDst;
    const buffer = device.createBuffer({ label, byteLength: values.byteLength, usage });
    device.gpu.queue.writeBuffer(buffer, 0, values);
    return buffer;
  };
  const leftBuffer = upload(`left factor of ${name}`, left);
  try {
    return { left: leftBuffer, right: upload(`right factor of ${name}`, right), rows, rank, columns };
  } catch (error) {
    device.destroyBuffer(leftBuffer);
    throw error;
  }
}
