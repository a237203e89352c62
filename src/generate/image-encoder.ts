import { DTYPE_BYTES } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { DeviceTensor } from '../runtime/inputs.ts';
import { createStateStore } from '../runtime/state-store.ts';
import { throwIfAborted } from './abort.ts';
import { buildVisionGraph } from './graphs.ts';
import { createSessionCache, type ModelRuntime } from './sessions.ts';

/** Image features of a prompt's pictures, one after another, on the GPU until disposed of. */
export interface ImageFeatures {
  readonly tensor: DeviceTensor;
  /** Rows of [rows, hiddenSize]. */
  readonly rows: number;
  dispose(): void;
}

export interface ImageEncoder {
  /** Compiles the tower and loads its weights, so that the first picture does not wait for them. */
  prepare(): Promise<void>;
  /** pixelValues of each picture [3, H, W] → features [pictures * tokensPerImage, hiddenSize]. */
  encode(pixelValues: readonly Float32Array[], signal?: AbortSignal): Promise<ImageFeatures>;
  dispose(): void;
}

/** Encodes one picture at a time: one plan serves any number of them, in constant memory. */
export function createImageEncoder(runtime: ModelRuntime): ImageEncoder {
  const { device, model, weightScope, precision } = runtime;
  const states = createStateStore(device);
  const sessions = createSessionCache(runtime, states, 1);
  const session = () => sessions.get('vision', () => buildVisionGraph(model, weightScope, precision));

  return {
    async prepare() {
      await session();
    },
    async encode(pixelValues, signal) {
      const { vision, text } = model;
      invariant(vision, `${model.modelType} has no vision tower`);
      const tower = await session();
      const rows = vision.tokensPerImage;
      const bytesPerPicture = rows * text.hiddenSize * DTYPE_BYTES[precision.activations];
      const byteLength = bytesPerPicture * pixelValues.length;
      const usage = bufferUsage.copySrc | bufferUsage.copyDst;
      const buffer = device.createBuffer({ label: 'image features', byteLength, usage });
      try {
        pixelValues.forEach((values, picture) => {
          throwIfAborted(signal);
          tower.run({ pixelValues: values });
          const features = tower.output('imageFeatures');
          const encoder = device.gpu.createCommandEncoder({ label: 'image features' });
          encoder.copyBufferToBuffer(
            features.buffer,
            features.offset,
            buffer,
            picture * bytesPerPicture,
            bytesPerPicture,
          );
          device.gpu.queue.submit([encoder.finish()]);
        });
      } catch (error) {
        device.destroyBuffer(buffer);
        throw error;
      }
      return {
        tensor: { buffer, offset: 0, byteLength },
        rows: rows * pixelValues.length,
        dispose: () => device.destroyBuffer(buffer),
      };
    },
    dispose() {
      sessions.clear();
      states.dispose();
    },
  };
}
