import type { Sharp, SharpOptions } from 'sharp';
import { loadSharp } from '../image/decode-node.ts';
import { createPicture, type Picture } from '../image/picture.ts';
import { frameTimes } from './animation-times.ts';
import type { FrameSource } from './video.ts';
import { checkLimits, corruptVideo, type VideoFile } from './video-file.ts';

/** libvips begins every read at the first frame; so many at once keep that cheap, and memory small. */
const WINDOW_BYTES = 32 * 2 ** 20;

/** An animated GIF or WebP, by sharp. Alpha is dropped, as of pictures. Throws as openVideo does. */
export async function openAnimationInNode(file: VideoFile): Promise<FrameSource> {
  const { name } = file;
  const sharp = await loadSharp();
  const data = file.data instanceof Blob ? new Uint8Array(await file.data.arrayBuffer()) : file.data;
  const open = (options: SharpOptions): Sharp =>
    sharp(data, { limitInputPixels: false, failOn: 'error', ignoreIcc: true, ...options });
  const explain = (cause: unknown): never => {
    throw corruptVideo(name, cause);
  };
  const header = await open({ pages: -1 }).metadata().catch(explain);
  const width = header.width;
  const height = header.pageHeight ?? header.height;
  const frameCount = header.pages ?? 1;
  checkLimits(file, width, height, frameCount);
  const window = Math.max(1, Math.floor(WINDOW_BYTES / (4 * width * height)));
  return {
    name,
    key: file.key,
    width,
    height,
    frameCount,
    ...frameTimes(Array.from({ length: frameCount }, (_, i) => header.delay?.[i] ?? 0)),
    async *decode(indices) {
      for (let next = 0; next < indices.length; ) {
        const begin = indices[next] ?? 0;
        const inWindow = indices.slice(next).filter((index) => index < begin + window);
        const pages = (inWindow.at(-1) ?? begin) - begin + 1;
        const rgb = await open({ page: begin, pages })
          .removeAlpha()
          .toColourspace('srgb')
          .raw({ depth: 'uchar' })
          .toBuffer()
          .catch(explain);
        for (const index of inWindow) yield cut(rgb, width, height, index - begin);
        next += inWindow.length;
      }
    },
  };
}

/** Frame `at` of those that libvips lays one under another. */
function cut(rgb: Uint8Array, width: number, height: number, at: number): Picture {
  const byteLength = width * height * 3;
  return createPicture(width, height, rgb.slice(at * byteLength, (at + 1) * byteLength));
}
