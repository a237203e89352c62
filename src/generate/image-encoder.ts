import type { Plan } from '../compile/plan.ts';
import { DTYPE_BYTES } from '../core/dtype.ts';
import { invariant, UnsupportedError } from '../core/errors.ts';
import { dim, type Shape } from '../core/shape.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Graph } from '../graph/graph.ts';
import { imageTokensOf, packedTiles, type VisionLayout } from '../models/model.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import type { DeviceTensor } from '../runtime/inputs.ts';
import type { Session } from '../runtime/session.ts';
import { createStateStore } from '../runtime/state-store.ts';
import { throwIfAborted } from './abort.ts';
import { createFeatureCache, featureKey } from './feature-cache.ts';
import { buildPoolingGraph, poolFrame } from './frame-pooler.ts';
import { buildPackGraph, buildTileGraph } from './graphs.ts';
import { createSessionCache, type ModelRuntime } from './sessions.ts';

/** Features of a prompt's pictures and videos, one after another, on the GPU until disposed of. */
export interface ImageFeatures {
  readonly tensor: DeviceTensor;
  /** Rows of [rows, featureWidth], the last of them padding. */
  readonly rows: number;
  dispose(): void;
}

export interface ImageEncoder {
  /**
   * The plans that encode a medium without pooling: the tower's, and that which packs tiles where there is one. They are
   * compiled now, to be run later. Throws UnsupportedError for a picture the adapter cannot encode.
   */
  plans(layout: VisionLayout): readonly Plan[];
  /** Makes the tower ready for a usual picture and loads its weights, so that the first one does not wait for them. */
  prepare(): Promise<void>;
  /** Features of all media in a row, with padding up to `minRows`. Those seen lately are not encoded again. */
  encode(media: readonly ProcessedMedium[], signal?: AbortSignal, minRows?: number): Promise<ImageFeatures>;
  dispose(): void;
}

/** Rows are padded to this multiple, so that prompts with more or fewer pictures share decoder plans. */
const ROW_STEP = 64;

/** Rows of a buffer for the features of so many tokens. */
export const paddedRows = (tokens: number): number => Math.ceil(tokens / ROW_STEP) * ROW_STEP;

/** Rows of the features of media in a row. */
export const rowsOf = (media: Parameters<typeof imageTokensOf>[0]): number =>
  paddedRows(imageTokensOf(media));

/** Pictures of as many sizes stay compiled, and as many ways to pack them. */
const MAX_SESSIONS = 4;

/** Encodes one tile at a time: one plan serves any number of them, in constant memory. */
export function createImageEncoder(runtime: ModelRuntime): ImageEncoder {
  const { device, model, weightScope, precision } = runtime;
  const states = createStateStore(device);
  const tileSessions = createSessionCache(runtime, states, MAX_SESSIONS);
  const packSessions = createSessionCache(runtime, states, MAX_SESSIONS);
  const poolSessions = createSessionCache(runtime, states, MAX_SESSIONS);
  const cache = createFeatureCache(device);
  const usage = bufferUsage.copySrc | bufferUsage.copyDst;

  const tilePass = ({ tile }: VisionLayout): [key: string, build: () => Graph] => [
    `vision ${JSON.stringify(tile)}`,
    () => buildTileGraph(model, weightScope, precision, tile),
  ];
  const tileSession = (layout: VisionLayout): Promise<Session> => tileSessions.get(...tilePass(layout));
  const packPass = (
    layout: VisionLayout,
    tileFeatures: Shape,
  ): [key: string, build: () => Graph] | undefined => {
    const graph = buildPackGraph(model, weightScope, precision, layout, tileFeatures);
    return graph && [`pack ${JSON.stringify(layout)}`, () => graph];
  };
  /** One that fails where the usual one did not, while loading, is too large. */
  const sizedSession = (layout: VisionLayout): Promise<Session> =>
    tileSession(layout).catch((error: unknown) => {
      const { grid } = layout.tile;
      if (!grid || !(error instanceof UnsupportedError)) throw error;
      throw new UnsupportedError(
        `picture: ${grid[0]}x${grid[1]} patches are more than ${device.caps.adapterName} can encode, one buffer of which holds ${device.caps.limits.maxStorageBufferBindingSize} bytes; expected fewer. Shrink it, or set max_pixels: generate({ processor: { max_pixels: 1000000 } }).`,
        { cause: error },
      );
    });
  const rowBytes = (width: number): number => width * DTYPE_BYTES[precision.activations];
  const copy = (from: DeviceTensor, to: GPUBuffer, offset: number): void => {
    const encoder = device.gpu.createCommandEncoder({ label: 'image features' });
    encoder.copyBufferToBuffer(from.buffer, from.offset, to, offset, from.byteLength);
    device.gpu.queue.submit([encoder.finish()]);
  };

  /** Runs `fill` on a new buffer, which is destroyed where that fails. */
  const withBuffer = async (byteLength: number, fill: (buffer: GPUBuffer) => Promise<void>) => {
    const buffer = device.createBuffer({ label: 'image features', byteLength, usage });
    try {
      await fill(buffer);
    } catch (error) {
      device.destroyBuffer(buffer);
      throw error;
    }
    return buffer;
  };

  const poolSession = async ({ pooling }: VisionLayout, [rows = 0, width = 0]: Shape) => {
    if (!pooling) return undefined;
    const { kind, window } = pooling;
    invariant(kind !== 'stride', 'frames between strides are not encoded');
    const session = await poolSessions.get(`pool ${kind} ${rows}x${width}`, () =>
      buildPoolingGraph(kind, rows, width, precision.activations),
    );
    return { session, window };
  };

  /** Features of all tiles, or of all windows of frames, one after another. */
  const encodeTiles = async (medium: ProcessedMedium, session: Session, signal?: AbortSignal) => {
    const { layout, kind } = medium;
    const { byteLength } = session.output('tileFeatures');
    const pool = await poolSession(layout, session.plan.outputs.get('tileFeatures')?.shape ?? []);
    return withBuffer(byteLength * packedTiles(layout), async (buffer) => {
      let done = 0;
      for await (const pixelValues of medium.tiles()) {
        throwIfAborted(signal);
        session.run({ pixelValues });
        let features = session.output('tileFeatures');
        if (pool) features = poolFrame(pool.session, features, 1 + (done % pool.window));
        const place = Math.floor(done++ / (pool?.window ?? 1));
        if (!pool || done % pool.window === 0 || done === layout.tiles)
          copy(features, buffer, place * byteLength);
        // Frames are many and decode fast: without a pause their pixels would pile up in the queue.
        if (kind === 'video') await device.onSubmittedWorkDone();
      }
      invariant(done === layout.tiles, `${done} tiles came where the layout has ${layout.tiles}`);
    });
  };

  const encodeMedium = async (medium: ProcessedMedium, signal?: AbortSignal): Promise<GPUBuffer> => {
    const { layout } = medium;
    const session = await sizedSession(layout);
    const tileShape = session.plan.outputs.get('tileFeatures')?.shape ?? [];
    const tileFeatures = await encodeTiles(medium, session, signal);
    const packing = packPass(layout, tileShape);
    if (!packing) return tileFeatures;
    try {
      const pack = await packSessions.get(...packing);
      const byteLength = dim(tileShape, 0) * packedTiles(layout) * rowBytes(dim(tileShape, 1));
      pack.run({ tileFeatures: { buffer: tileFeatures, offset: 0, byteLength } });
      const packed = pack.output('imageFeatures');
      return await withBuffer(packed.byteLength, async (buffer) => copy(packed, buffer, 0));
    } finally {
      device.destroyBuffer(tileFeatures);
    }
  };

  const cachedFeatures = async (medium: ProcessedMedium, signal?: AbortSignal): Promise<GPUBuffer> => {
    const key = featureKey(medium);
    return cache.get(key) ?? cache.add(key, await encodeMedium(medium, signal));
  };

  return {
    plans(layout) {
      const tower = tileSessions.planAhead(...tilePass(layout));
      const packing = packPass(layout, tower.outputs.get('tileFeatures')?.shape ?? []);
      return packing ? [tower, packSessions.planAhead(...packing)] : [tower];
    },
    async prepare() {
      invariant(model.vision, `${model.modelType} has no vision tower`);
      await tileSession(model.vision.typicalLayout);
    },
    async encode(media, signal, minRows = 0) {
      invariant(model.vision, `${model.modelType} has no vision tower`);
      const bytesPerRow = rowBytes(model.vision.featureWidth);
      const rows = Math.max(rowsOf(media), paddedRows(minRows));
      const byteLength = rows * bytesPerRow;
      const buffer = await withBuffer(byteLength, async (target) => {
        let row = 0;
        for (const medium of media) {
          const { tokens: count } = medium.layout;
          const features = await cachedFeatures(medium, signal);
          copy({ buffer: features, offset: 0, byteLength: count * bytesPerRow }, target, row * bytesPerRow);
          cache.release(features);
          row += count;
        }
      });
      return { tensor: { buffer, offset: 0, byteLength }, rows, dispose: () => device.destroyBuffer(buffer) };
    },
    dispose() {
      tileSessions.clear();
      packSessions.clear();
      poolSessions.clear();
      states.dispose();
      cache.dispose();
    },
  };
}
