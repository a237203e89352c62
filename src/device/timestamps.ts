import { DeviceError, UnsupportedError } from '../core/errors.ts';
import { bufferUsage } from './buffer-usage.ts';
import type { Device } from './gpu-device.ts';

export interface PassTime {
  readonly label: string;
  readonly timeMs: number;
}

/** Measures compute passes on the GPU's own clock. */
export interface Timestamps {
  /** Hand the result to `beginComputePass` as `timestampWrites`. */
  begin(label: string): GPUComputePassTimestampWrites;
  /** Call once per encoder, after its last pass and before `finish()`. */
  resolve(encoder: GPUCommandEncoder): void;
  /** Times of the passes begun since the last read, in order; call after submit. */
  read(): Promise<readonly PassTime[]>;
  dispose(): void;
}

const BYTES_PER_TIMESTAMP = 8;

/**
 * Room for `maxPasses` passes between two reads.
 * Throws UnsupportedError where the device has no timestamp-query. WebGPU, section 20.4 "Timestamp Query".
 */
export function createTimestamps(device: Device, maxPasses: number): Timestamps {
  if (!device.caps.features.timestampQuery) {
    throw new UnsupportedError(
      `timestamps: ${device.caps.adapterName} has no timestamp-query. Measure wall time instead.`,
    );
  }
  const count = 2 * maxPasses;
  const byteLength = count * BYTES_PER_TIMESTAMP;
  const querySet = device.gpu.createQuerySet({ label: 'timestamps', type: 'timestamp', count });
  const usage = bufferUsage.queryResolve | bufferUsage.copySrc;
  const buffer = device.createBuffer({ label: 'timestamps', byteLength, usage });
  let labels: string[] = [];

  return {
    begin(label) {
      const index = 2 * labels.length;
      if (index >= count) {
        throw new DeviceError(`timestamps: pass ${labels.length + 1} begun; expected at most ${maxPasses}.`);
      }
      labels.push(label);
      return { querySet, beginningOfPassWriteIndex: index, endOfPassWriteIndex: index + 1 };
    },
    resolve(encoder) {
      encoder.resolveQuerySet(querySet, 0, 2 * labels.length, buffer, 0);
    },
    async read() {
      const passes = labels;
      labels = [];
      const bytes = await device.readBuffer(buffer, 0, 2 * passes.length * BYTES_PER_TIMESTAMP);
      const nanoseconds = new BigUint64Array(bytes);
      return passes.map((label, pass) => {
        const begin = nanoseconds[2 * pass] ?? 0n;
        const end = nanoseconds[2 * pass + 1] ?? 0n;
        return { label, timeMs: Number(end - begin) / 1e6 };
      });
    },
    dispose() {
      querySet.destroy();
      device.destroyBuffer(buffer);
    },
  };
}
