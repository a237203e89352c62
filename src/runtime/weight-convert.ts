import { type DType, isFloat, isPacked } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { dim, elementCount } from '../core/shape.ts';
import { bufferUsage, mapMode } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { convertWeightPairs } from '../kernels/convert-weight-pairs.ts';
import {
  type Kernel,
  kernelLabel,
  kernelText,
  type OpCall,
  prepareCall,
  presentBindings,
  type TuningPoint,
  type TuningSpace,
  tuningPoints,
} from '../kernels/kernel.ts';
import { mergeLowRankMap } from '../kernels/merge-low-rank-map.ts';
import { quantizeWeightBlocks } from '../kernels/quantize-weight-blocks.ts';
import { WEIGHT_FORMAT_BYTES, type WeightFormat } from '../ops/convert-weight.ts';
import { mergeLowRank } from '../ops/merge-low-rank.ts';
import { type Named, required, type TensorType } from '../ops/op.ts';
import { quantizeWeight } from '../ops/quantize-weight.ts';
import type { SafetensorsDType } from '../weights/safetensors-dtype.ts';
import { packParams, paramsByteLength } from '../wgsl/params.ts';

/** Whole elements of a tensor on the GPU, in a format of checkpoints. */
export interface StagedElements {
  readonly words: GPUBuffer;
  readonly from: WeightFormat;
  readonly count: number;
  /** Element of the tensor that the first one is. */
  readonly offset: number;
}

/** left [N, R] and right [R, K] f32 on the GPU, to be added to a tensor of N rows or to the rows from `firstRow` on. */
export interface MergeFactors {
  readonly left: GPUBuffer;
  readonly right: GPUBuffer;
  readonly rows: number;
  readonly rank: number;
  readonly columns: number;
  readonly firstRow: number;
}

/** Sums over elements of a tensor that were rounded to its dtype. */
export interface SquaredSums {
  readonly error: number;
  readonly value: number;
}

export interface WeightConverter {
  /** Copies elements of a file to the GPU; `bytes` is padded to whole words. Valid until the next call. */
  stage(
    bytes: Uint8Array<ArrayBuffer>,
    from: WeightFormat,
    elements: { readonly count: number; readonly offset: number },
  ): StagedElements;
  /** Adds left right to whole rows: what comes out is F32. Valid until the next call. */
  merge(elements: StagedElements, factors: MergeFactors): Promise<StagedElements>;
  /** Converts elements, the first one even, into their place in `buffer`, in submission order. */
  convert(elements: StagedElements, weight: TensorType, buffer: GPUBuffer): Promise<void>;
  /** The same for whole rows to blocks of a packed matrix; the promise inside gives what was lost. */
  quantize(
    elements: StagedElements,
    weight: TensorType,
    buffer: GPUBuffer,
  ): Promise<{ readonly sums: Promise<SquaredSums> }>;
  dispose(): void;
}

/** Whether the GPU converts this pair. */
export const isConvertible = (from: SafetensorsDType, to: DType): from is WeightFormat =>
  (isFloat(to) || isPacked(to)) && Object.hasOwn(WEIGHT_FORMAT_BYTES, from);

/**
 * Converts through one staging buffer of `maxChunkBytes`, and one of `maxMergedBytes` where something is merged: writes
 * and dispatches of one queue run in order, so the next chunk cannot overtake the last.
 */
export function createWeightConverter(
  device: Device,
  maxChunkBytes: number,
  maxMergedBytes: number,
): WeightConverter {
  const held = new Map<string, GPUBuffer>();
  const buffer = (label: string, byteLength: number, usage: number): GPUBuffer => {
    const known = held.get(label);
    if (known) return known;
    const made = device.createBuffer({ label, byteLength, usage: usage | bufferUsage.copyDst });
    held.set(label, made);
    return made;
  };

  /** Encodes one dispatch; `buffers` by the kernel's bindings. */
  const encode = async (
    kernel: Kernel,
    call: OpCall,
    buffers: Named<GPUBuffer>,
    tuning: TuningPoint<TuningSpace> = tuningPoints(kernel.tuning)[0] ?? {},
  ): Promise<GPUCommandEncoder> => {
    const prepared = prepareCall(kernel, call);
    invariant(typeof prepared !== 'string', `${kernel.name} refuses a chunk: ${prepared}`);
    const text = kernelText(kernel, prepared, tuning);
    const pipeline = await device.computePipeline(kernelLabel(kernel, tuning), text);
    const params = new DataView(new ArrayBuffer(paramsByteLength(kernel.params)));
    packParams(kernel.params, prepared.params, params, 0);
    const uniform = buffer(`${kernel.name} params`, params.byteLength, bufferUsage.uniform);
    device.gpu.queue.writeBuffer(uniform, 0, params.buffer);
    const bound = presentBindings(kernel, prepared).map(({ name }) => required(buffers, name, kernel.name));
    const entries = [uniform, ...bound].map((one, binding) => ({ binding, resource: { buffer: one } }));
    const group = device.gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = device.gpu.createCommandEncoder({ label: kernel.name });
    const pass = encoder.beginComputePass({ label: kernel.name });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...kernel.dispatch(prepared, tuning));
    pass.end();
    return encoder;
  };

  return {
    stage(bytes, from, elements) {
      const words = buffer('weight chunk', maxChunkBytes, bufferUsage.storage);
      device.gpu.queue.writeBuffer(words, 0, bytes);
      return { words, from, ...elements };
    },
    async merge({ words, from, count, offset }, { left, right, rows, rank, columns, firstRow }) {
      const inputs = {
        words: wordsType(count, from),
        left: { dtype: 'f32', shape: [rows, rank] },
        right: { dtype: 'f32', shape: [rank, columns] },
      } as const;
      const attrs = { from, rows: count / columns, firstRow: firstRow + offset / columns };
      const outputs = mergeLowRank.infer(inputs, attrs, 'mergeLowRank');
      const merged = buffer('merged weight chunk', maxMergedBytes, bufferUsage.storage);
      const lanes = columns % 4 === 0 ? 4 : 1;
      const call = { inputs, outputs, attrs };
      const encoder = await encode(mergeLowRankMap, call, { words, left, right, y: merged }, { lanes });
      device.gpu.queue.submit([encoder.finish()]);
      return { words: merged, from: 'F32', count, offset };
    },
    async convert({ words, from, count, offset }, weight, target) {
      const inputs = { words: wordsType(count, from), weight };
      const call = { inputs, outputs: { weight }, attrs: { from, count, offset } };
      const encoder = await encode(convertWeightPairs, call, { words, weight: target });
      device.gpu.queue.submit([encoder.finish()]);
    },
    async quantize({ words, from, count, offset }, weight, target) {
      const columns = dim(weight.shape, 1);
      const attrs = { from, rows: count / columns, firstRow: offset / columns };
      const inputs = { words: wordsType(count, from), weight };
      const outputs = quantizeWeight.infer(inputs, attrs, 'quantizeWeight');
      const byteLength = elementCount(required(outputs, 'errors', 'quantizeWeight').shape) * 4;
      const errors = device.createBuffer({
        label: 'rounding errors',
        byteLength,
        usage: bufferUsage.storage | bufferUsage.copySrc,
      });
      const readBack = device.createBuffer({
        label: 'rounding errors',
        byteLength,
        usage: bufferUsage.mapRead | bufferUsage.copyDst,
      });
      const release = (): void => [errors, readBack].forEach(device.destroyBuffer);
      try {
        const buffers = { words, weight: target, errors };
        const encoder = await encode(quantizeWeightBlocks, { inputs, outputs, attrs }, buffers);
        encoder.copyBufferToBuffer(errors, 0, readBack, 0, byteLength);
        device.gpu.queue.submit([encoder.finish()]);
      } catch (error) {
        release();
        throw error;
      }
      const sums = device
        .guard('rounding errors', readBack.mapAsync(mapMode.read))
        .then(() => sumOf(new Float32Array(readBack.getMappedRange())))
        .finally(release);
      // It may be awaited after another chunk has failed.
      sums.catch(() => {});
      return { sums };
    },
    dispose() {
      for (const one of held.values()) device.destroyBuffer(one);
      held.clear();
    },
  };
}

const wordsType = (count: number, from: WeightFormat): TensorType => ({
  dtype: 'u32',
  shape: [Math.ceil((count * WEIGHT_FORMAT_BYTES[from]) / 4)],
});

/** Pairs of squared error and squared value. */
function sumOf(pairs: Float32Array): SquaredSums {
  let error = 0;
  let value = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    error += pairs[i] ?? 0;
    value += pairs[i + 1] ?? 0;
  }
  return { error, value };
}
