import type { Device } from '../device/gpu-device.ts';
import type { ProcessedMedium } from '../processors/processor.ts';

/** Features of the pictures seen lately, so that the next turn about the same ones need not encode them again. */
export interface FeatureCache {
  get(key: string | null): GPUBuffer | undefined;
  /** Keeps `buffer` where it has a key and fits; returns it. */
  add(key: string | null, buffer: GPUBuffer): GPUBuffer;
  /** The caller is done with it: what is not kept is destroyed. */
  release(buffer: GPUBuffer): void;
  dispose(): void;
}

/** What a medium's features depend on; null where it cannot be told. */
export const featureKey = ({ key, layout }: Pick<ProcessedMedium, 'key' | 'layout'>): string | null =>
  key === null ? null : `${key} ${JSON.stringify(layout)}`;

/** A picture of 576 tokens takes 9 MiB at a width of 4096. */
const MAX_BYTES = 64 * 2 ** 20;

export function createFeatureCache(device: Device): FeatureCache {
  const buffers = new Map<string, GPUBuffer>();
  const heldBytes = (): number => [...buffers.values()].reduce((sum, { size }) => sum + size, 0);
  return {
    get(key) {
      const buffer = key === null ? undefined : buffers.get(key);
      if (key === null || !buffer) return undefined;
      // A Map iterates in insertion order, so the first key is the one longest unused.
      buffers.delete(key);
      buffers.set(key, buffer);
      return buffer;
    },
    add(key, buffer) {
      if (key === null || buffer.size > MAX_BYTES) return buffer;
      buffers.set(key, buffer);
      for (const [oldest, stale] of buffers) {
        if (heldBytes() <= MAX_BYTES) break;
        buffers.delete(oldest);
        device.destroyBuffer(stale);
      }
      return buffer;
    },
    release(buffer) {
      if (![...buffers.values()].includes(buffer)) device.destroyBuffer(buffer);
    },
    dispose() {
      for (const buffer of buffers.values()) device.destroyBuffer(buffer);
      buffers.clear();
    },
  };
}
