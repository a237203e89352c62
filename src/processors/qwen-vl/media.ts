import { InputError, UnsupportedError } from '../../core/errors.ts';
import type { PixelSize } from '../../image/image-processor.ts';
import { numpyLevels, torchLevels } from '../../image/level-table.ts';
import type { Picture } from '../../image/picture.ts';
import { resize } from '../../image/resize.ts';
import { resizeTorchvision } from '../../image/resize-torchvision.ts';
import type { TileLayout, VisionLayout } from '../../models/model.ts';
import type { Medium, ProcessedMedium, VideoClip } from '../processor.ts';
import { patchRows } from './patch-rows.ts';
import type { SampledFrames } from './sampling.ts';
import type { PatchSettings, VideoSettings } from './settings.ts';
import { smartResize } from './smart-resize.ts';

type ImageMedium = Extract<Medium, { kind: 'image' }>;
type VideoMedium = Extract<Medium, { kind: 'video' }>;

/** A still picture: one tile, all frames of which are the picture. Reference: Qwen2VLImageProcessorPil. */
export function processImage({ key, picture }: ImageMedium, settings: PatchSettings): ProcessedMedium {
  const { limits, filter, temporalPatchSize } = settings;
  const size = limits ? smartResize(picture, factorOf(settings), limits) : wholePatches(picture, settings);
  return {
    kind: 'image',
    key,
    layout: layoutOf('image', size, 1, settings),
    *tiles() {
      const resized = resize(picture, size.width, size.height, filter);
      yield patchRows(new Array<Picture>(temporalPatchSize).fill(resized), settings, numpyLevels);
    },
  };
}

/** A video: one tile for each temporal patch, the last one filled up with the last frame. */
export function processVideo(
  { key, video }: VideoMedium,
  sampled: SampledFrames,
  target: PixelSize | null,
  settings: VideoSettings,
): ProcessedMedium {
  const { temporalPatchSize } = settings;
  const size = target ?? wholePatches(video, settings);
  const tiles = Math.ceil(sampled.indices.length / temporalPatchSize);
  return {
    kind: 'video',
    key,
    layout: layoutOf('video', size, tiles, settings),
    tileSeconds: tileSeconds(sampled, temporalPatchSize),
    secondsPerTile: temporalPatchSize / sampled.sampledFps,
    async *tiles() {
      let frames: Picture[] = [];
      for await (const frame of resizedFrames(video, sampled.indices, size, settings)) {
        frames.push(frame);
        if (frames.length < temporalPatchSize) continue;
        yield patchRows(frames, settings, torchLevels);
        frames = [];
      }
      const last = frames.at(-1);
      if (!last) return;
      while (frames.length < temporalPatchSize) frames.push(last);
      yield patchRows(frames, settings, torchLevels);
    },
  };
}

async function* resizedFrames(
  video: VideoClip,
  indices: readonly number[],
  { width, height }: PixelSize,
  { filter }: VideoSettings,
): AsyncGenerator<Picture> {
  for await (const frame of video.frames(indices)) {
    if (frame.width !== video.width || frame.height !== video.height) {
      throw new InputError(
        `video: a frame is ${frame.width}x${frame.height}, the first one ${video.width}x${video.height}; expected frames of one size.`,
      );
    }
    if (filter !== 'bilinear' && filter !== 'bicubic') {
      throw new UnsupportedError(
        `video: frames are to be resized by the filter "${filter}"; expected "bilinear" or "bicubic". Set resample to 2 or 3.`,
      );
    }
    yield resizeTorchvision(frame, width, height, filter);
  }
}

/** When each temporal patch was taken: the middle of its first and last frame. */
function tileSeconds({ indices, fps }: SampledFrames, temporalPatchSize: number): readonly number[] {
  const secondsAt = (i: number): number => (indices[Math.min(i, indices.length - 1)] ?? 0) / fps;
  return Array.from({ length: Math.ceil(indices.length / temporalPatchSize) }, (_, tile) => {
    const first = tile * temporalPatchSize;
    return (secondsAt(first) + secondsAt(first + temporalPatchSize - 1)) / 2;
  });
}

export const factorOf = ({ patchSize, mergeSize }: PatchSettings): number => patchSize * mergeSize;

function wholePatches({ width, height }: PixelSize, settings: PatchSettings): PixelSize {
  const factor = factorOf(settings);
  if (width % factor === 0 && height % factor === 0) return { width, height };
  throw new InputError(
    `picture: ${width}x${height} is not to be resized, as do_resize says; expected multiples of ${factor}, whole merged patches.`,
  );
}

function layoutOf(
  kind: TileLayout['kind'],
  { width, height }: PixelSize,
  tiles: number,
  { patchSize, temporalPatchSize, mergeSize }: PatchSettings,
): VisionLayout {
  const [rows, columns] = [height / patchSize, width / patchSize];
  const patches = rows * columns;
  const tile: TileLayout = {
    kind,
    shape: [patches, 3 * temporalPatchSize * patchSize ** 2],
    grid: [rows, columns],
  };
  return { tile, tiles, tokens: (tiles * patches) / mergeSize ** 2 };
}
