import { EngineError, UnsupportedError } from '../core/errors.ts';
import { frameTimes } from './animation-times.ts';
import { toPicture } from './raw-frame.ts';
import type { FrameSource } from './video.ts';
import { checkLimits, corruptVideo, type VideoFile } from './video-file.ts';

/** An animated GIF or WebP, by the browser's ImageDecoder. Throws as openVideo does. */
export async function openAnimationInBrowser(file: VideoFile, type: string): Promise<FrameSource> {
  const { name, data } = file;
  if (typeof ImageDecoder === 'undefined' || typeof data === 'string') {
    throw new UnsupportedError(
      `video "${name}": this browser has no ImageDecoder, which reads animations frame by frame. Use an MP4 or WebM clip.`,
    );
  }
  const bytes = data instanceof Blob ? await data.arrayBuffer() : data;
  const withDecoder = async function* <T>(
    use: (decoder: ImageDecoder) => AsyncGenerator<T>,
  ): AsyncGenerator<T> {
    const decoder = new ImageDecoder({ data: bytes, type, colorSpaceConversion: 'none' });
    try {
      await Promise.all([decoder.completed, decoder.tracks.ready]);
      yield* use(decoder);
    } catch (cause) {
      throw cause instanceof EngineError ? cause : corruptVideo(name, cause);
    } finally {
      decoder.close();
    }
  };
  // How long a frame stays is known only once it is decoded.
  const delaysMs: number[] = [];
  let [width, height] = [0, 0];
  for await (const image of withDecoder((decoder) => eachImage(decoder, file))) {
    delaysMs.push((image.duration ?? 0) / 1000);
    [width, height] = [image.displayWidth, image.displayHeight];
  }
  return {
    name,
    key: file.key,
    width,
    height,
    frameCount: delaysMs.length,
    ...frameTimes(delaysMs),
    decode: (indices) =>
      withDecoder(async function* (decoder) {
        for await (const image of images(decoder, indices)) yield await toPicture(image, name);
      }),
  };
}

async function* eachImage(decoder: ImageDecoder, file: VideoFile): AsyncGenerator<VideoFrame> {
  const frameCount = decoder.tracks.selectedTrack?.frameCount ?? 0;
  checkLimits(file, 1, 1, frameCount);
  const indices = Array.from({ length: frameCount }, (_, i) => i);
  for await (const image of images(decoder, indices)) {
    checkLimits(file, image.displayWidth, image.displayHeight, frameCount);
    yield image;
  }
}

/** Each is closed when the next is asked for. */
async function* images(decoder: ImageDecoder, indices: readonly number[]): AsyncGenerator<VideoFrame> {
  for (const frameIndex of indices) {
    const { image } = await decoder.decode({ frameIndex });
    try {
      yield image;
    } finally {
      image.close();
    }
  }
}
