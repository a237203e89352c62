import { DeviceError } from '../core/errors.ts';
import { bufferUsage, mapMode } from './buffer-usage.ts';
import { type Faults, scopeError } from './faults.ts';

export interface BufferOptions {
  readonly label: string;
  readonly byteLength: number;
  /** Flags of `bufferUsage`. */
  readonly usage: GPUBufferUsageFlags;
}

/** GPU memory held through one device, staging included. */
export interface DeviceMemory {
  readonly liveBytes: number;
  readonly peakBytes: number;
}

export interface BufferAllocator {
  readonly memory: DeviceMemory;
  createBuffer(options: BufferOptions): GPUBuffer;
  destroyBuffer(buffer: GPUBuffer): void;
  readBuffer(buffer: GPUBuffer, offsetBytes: number, byteLength: number): Promise<ArrayBuffer>;
  dispose(): void;
}

/** Idle staging buffers above this are given back instead of kept for the next read. */
const MAX_IDLE_STAGING_BYTES = 64 * 2 ** 20;
const MIN_STAGING_BYTES = 256;

export function createBufferAllocator(
  gpu: GPUDevice,
  faults: Faults,
  maxBufferSize: number,
): BufferAllocator {
  const sizes = new Map<GPUBuffer, number>();
  const idleStaging: GPUBuffer[] = [];
  let liveBytes = 0;
  let peakBytes = 0;

  const createBuffer = ({ label, byteLength, usage }: BufferOptions): GPUBuffer => {
    const where = `buffer "${label}"`;
    faults.check(where);
    if (!Number.isSafeInteger(byteLength) || byteLength <= 0 || byteLength % 4 !== 0) {
      throw new DeviceError(`${where}: ${byteLength} bytes asked for; expected a positive multiple of 4.`);
    }
    if (byteLength > maxBufferSize) {
      throw new DeviceError(
        `${where}: ${byteLength} bytes asked for; expected at most ${maxBufferSize}, this adapter's ` +
          'maxBufferSize. Use a smaller model or a narrower dtype.',
      );
    }
    gpu.pushErrorScope('validation');
    gpu.pushErrorScope('out-of-memory');
    try {
      const buffer = gpu.createBuffer({ label, size: byteLength, usage });
      sizes.set(buffer, byteLength);
      liveBytes += byteLength;
      peakBytes = Math.max(peakBytes, liveBytes);
      return buffer;
    } finally {
      for (const filter of ['out-of-memory', 'validation'] as const) {
        gpu.popErrorScope().then(
          (error) => error && faults.report(scopeError(`${where} of ${byteLength} bytes`, filter, error)),
          () => undefined, // the device is gone: `gpu.lost` tells
        );
      }
    }
  };

  const destroyBuffer = (buffer: GPUBuffer) => {
    if (faults.closed && sizes.size === 0) return;
    const byteLength = sizes.get(buffer);
    if (byteLength === undefined) {
      throw new DeviceError(
        `destroyBuffer: buffer "${buffer.label}" is not held by this device; expected one that createBuffer ` +
          'made and nobody destroyed.',
      );
    }
    sizes.delete(buffer);
    liveBytes -= byteLength;
    buffer.destroy();
  };

  const takeStaging = (byteLength: number): GPUBuffer => {
    const fits = idleStaging
      .filter((buffer) => buffer.size >= byteLength)
      .sort((a, b) => a.size - b.size)
      .at(0);
    if (fits) {
      idleStaging.splice(idleStaging.indexOf(fits), 1);
      return fits;
    }
    const size = Math.min(
      maxBufferSize - (maxBufferSize % 4),
      Math.max(MIN_STAGING_BYTES, 2 ** Math.ceil(Math.log2(byteLength))),
    );
    const usage = bufferUsage.mapRead | bufferUsage.copyDst;
    return createBuffer({ label: 'staging', byteLength: size, usage });
  };

  const returnStaging = (buffer: GPUBuffer) => {
    if (faults.closed) return;
    const idleBytes = idleStaging.reduce((sum, idle) => sum + idle.size, 0);
    if (idleBytes + buffer.size > MAX_IDLE_STAGING_BYTES) destroyBuffer(buffer);
    else idleStaging.push(buffer);
  };

  const readBuffer = async (buffer: GPUBuffer, offsetBytes: number, byteLength: number) => {
    const where = `readBuffer "${buffer.label}"`;
    faults.check(where);
    const isRange = Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(byteLength);
    if (!isRange || offsetBytes < 0 || byteLength < 0 || offsetBytes + byteLength > buffer.size) {
      throw new DeviceError(
        `${where}: bytes ${offsetBytes} to ${offsetBytes + byteLength} asked for; expected a range within ` +
          `its ${buffer.size} bytes.`,
      );
    }
    if (byteLength === 0) return new ArrayBuffer(0);
    // Copies go in whole words.
    const start = offsetBytes - (offsetBytes % 4);
    const copyBytes = Math.ceil((offsetBytes + byteLength - start) / 4) * 4;
    const staging = takeStaging(copyBytes);
    try {
      await faults.scope(where, () => {
        const encoder = gpu.createCommandEncoder({ label: where });
        encoder.copyBufferToBuffer(buffer, start, staging, 0, copyBytes);
        gpu.queue.submit([encoder.finish()]);
      });
      await faults.guard(where, staging.mapAsync(mapMode.read, 0, copyBytes));
      const skip = offsetBytes - start;
      const bytes = staging.getMappedRange(0, copyBytes).slice(skip, skip + byteLength);
      staging.unmap();
      faults.check(where);
      returnStaging(staging);
      return bytes;
    } catch (error) {
      // Its mapping may still be under way, so it can't serve another read.
      if (!faults.closed && sizes.has(staging)) destroyBuffer(staging);
      throw error;
    }
  };

  return {
    memory: {
      get liveBytes() {
        return liveBytes;
      },
      get peakBytes() {
        return peakBytes;
      },
    },
    createBuffer,
    destroyBuffer,
    readBuffer,
    dispose() {
      for (const buffer of sizes.keys()) buffer.destroy();
      sizes.clear();
      idleStaging.length = 0;
      liveBytes = 0;
    },
  };
}
