import { UnsupportedError } from '../core/errors.ts';
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
  const decoder = new ImageDecoder({ data: bytes, type, colorSpaceConversion: 'none' });
  try {
    await Promise.all([decoder.completed, decoder.tracks.ready]);
    const frameCount = decoder.tracks.selectedTrack?.frameCount ?? 0;
    checkLimits(file, 1, 1, frameCount);
    // How long a frame stays is known only once it is decoded.
    const delaysMs: number[] = [];
    let [width, height] = [0, 0];
    for (let frameIndex = 0; frameIndex < frameCount; frameIndex++) {
      const { image } = await decoder.decode({ frameIndex });
      delaysMs.push((image.duration ?? 0) / 1000);
      [width, height] = [image.displayWidth, image.displayHeight];
      image.close();
      if (frameIndex === 0) checkLimits(file, width, height, frameCount);
    }
    return {
      name,
      width,
      height,
      ...frameTimes(delaysMs),
      async *decode(indices) {
        for (const frameIndex of indices) {
          const { image } = await decoder.decode({ frameIndex }).catch((cause: unknown) => {
            throw corruptVideo(name, cause);
          });
          try {
            yield await toPicture(image, name);
          } finally {
            image.close();
          }
        }
      },
      close: async () => decoder.close(),
    };
  } catch (cause) {
    decoder.close();
    throw cause instanceof DOMException || cause instanceof TypeError ? corruptVideo(name, cause) : cause;
  }
}
