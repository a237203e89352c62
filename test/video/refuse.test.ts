import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { EngineError, InputError, UnsupportedError } from '../../src/core/errors.ts';
import { openVideo, type VideoSource } from '../../src/video/open-video.ts';

const clip = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await readFile(`test/video/clips/${name}`));

/** Opens and reads to the end; the number of frames. */
async function drain(source: VideoSource): Promise<number> {
  const video = await openVideo(source);
  let frames = 0;
  for await (const _ of video.frames()) frames++;
  return frames;
}

/** A copy with big-endian 32-bit numbers written behind a box's name. */
function patched(file: Uint8Array, box: string, numbers: Readonly<Record<number, number>>): Uint8Array {
  const bytes = file.slice();
  const begin = Buffer.from(bytes).lastIndexOf(box) + 4;
  for (const [at, value] of Object.entries(numbers)) {
    new DataView(bytes.buffer).setUint32(begin + Number(at), value);
  }
  return bytes;
}

describe('refused, with the reason', () => {
  test.each([
    ['text', 'hello, world'],
    ['a playlist', '#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n'],
    ['a PDF', '%PDF-1.7\n'],
  ])('%s', async (_, text) => {
    const opening = openVideo(new TextEncoder().encode(text));
    await expect(opening).rejects.toThrow(UnsupportedError);
    await expect(opening).rejects.toThrow(
      'video "bytes": it is in no format read here; expected MP4, MOV, WebM, Matroska, GIF or WebP.',
    );
  });

  test('an empty file', async () => {
    await expect(openVideo(new Uint8Array())).rejects.toThrow('video "bytes": it is empty; expected a video');
  });

  test('a single picture', async () => {
    await expect(openVideo('examples/scene.png')).rejects.toThrow(
      'video "examples/scene.png": it is a single picture; expected a clip.',
    );
  });

  test.each(['audio.m4a', 'audio.webm'])('%s, which is only heard', async (name) => {
    const opening = openVideo(`test/video/clips/${name}`);
    await expect(opening).rejects.toThrow(InputError);
    await expect(opening).rejects.toThrow('it holds no pictures (only audio); expected a video track');
  });

  test('a codec that is not decoded here', async () => {
    const opening = openVideo('test/video/clips/mpeg4.mp4');
    await expect(opening).rejects.toThrow(UnsupportedError);
    await expect(opening).rejects.toThrow(
      'its codec mp4v cannot be decoded here; expected H.264, HEVC, VP8, VP9 or AV1',
    );
  });

  test('a file without frames', async () => {
    const whole = await clip('fragmented.mp4');
    const header = whole.subarray(0, Buffer.from(whole).indexOf('moof') - 4);
    await expect(openVideo(header)).rejects.toThrow('video "bytes": it holds no frames');
    await expect(openVideo([])).rejects.toThrow('video "pictures": it holds no frames');
  });

  test('a folder without pictures, and what is not there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tessera-video-'));
    await writeFile(join(folder, 'notes.txt'), 'no picture');
    await expect(openVideo(folder)).rejects.toThrow('it is a folder without PNG, JPEG, WebP or GIF files');
    await rm(folder, { recursive: true });
    await expect(openVideo(folder)).rejects.toThrow(/^video ".*": it cannot be read \(ENOENT/);
    await expect(openVideo('/dev/zero')).rejects.toThrow('it is neither a regular file nor a folder');
  });

  test('a size over the limit, before anything is decoded', async () => {
    // Width and height of the sample entry: ISO/IEC 14496-12, section 12.1.3.
    const huge = patched(await clip('h264.mp4'), 'avc1', { 24: 60_000 * 65_536 + 60_000 });
    await expect(openVideo(huge)).rejects.toThrow(
      'video "bytes": its frames are 60000x60000, 3600000000 pixels; expected at most 178956970.',
    );
    await expect(openVideo('test/video/clips/vp9.webm', { maxPixels: 3071 })).rejects.toThrow(
      '64x48, 3072 pixels; expected at most 3071',
    );
    await expect(openVideo('test/video/clips/animated.gif', { maxPixels: 3071 })).rejects.toThrow(
      '64x48, 3072 pixels; expected at most 3071',
    );
    await openVideo('test/video/clips/vp9.webm', { maxPixels: 3072 });
  });

  test.each(['h264.mp4', 'vp9.webm', 'animated.gif', 'animated.webp'])(
    '%s over a limit of frames',
    async (name) => {
      const opening = openVideo(`test/video/clips/${name}`, { maxFrames: 19 });
      await expect(opening).rejects.toThrow('it holds more than 19 frames; expected at most so many');
      await openVideo(`test/video/clips/${name}`, { maxFrames: 20 });
    },
  );

  test('a header that announces billions of frames', async () => {
    // Sample sizes all 1, and a count; then one run of as many durations. ISO/IEC 14496-12, sections 8.7.3 and 8.6.1.
    const sizes = patched(await clip('h264.mp4'), 'stsz', { 4: 1, 8: 4_000_000_000 });
    const endless = patched(sizes, 'stts', { 4: 1, 8: 4_000_000_000 });
    await expect(openVideo(endless)).rejects.toThrow(
      'video "bytes": its index announces 4000000000 frames, and it is 2904 bytes long; expected a whole',
    );
    const fragments = patched(await clip('fragmented.mp4'), 'trun', { 4: 4_000_000_000 });
    await expect(openVideo(fragments)).rejects.toThrow('announces 4000000000 frames, and it is 3269');
  });

  test('a rate that is none', async () => {
    await expect(openVideo(['examples/scene.png'], { fps: 0 })).rejects.toThrow(
      'its fps is 0; expected a positive number',
    );
  });
});

describe('cut off', () => {
  const names = [
    'h264.mp4',
    'h264.mkv',
    'fragmented.mp4',
    'hevc.mp4',
    'vp9.webm',
    'animated.gif',
    'animated.webp',
  ];
  test.each(names)('%s at any tenth', async (name) => {
    const whole = await clip(name);
    for (let tenth = 0; tenth <= 9; tenth++) {
      const cut = whole.subarray(0, Math.floor((whole.length * tenth) / 10));
      await expect(drain(cut), `${tenth}/10`).rejects.toThrow(EngineError);
    }
  });

  test('where the index comes first, it says how far the frames go', async () => {
    const whole = await clip('fragmented.mp4');
    const third = Buffer.from(whole).lastIndexOf('moof') + 4;
    const cut = whole.subarray(0, Buffer.from(whole).indexOf('mdat', third) + 20);
    await expect(drain(cut)).rejects.toThrow(
      'video "bytes": it ends before frame 16 of the 20 that its header announces; expected a whole file.',
    );
  });
});

describe('damaged', () => {
  const names = ['h264.mp4', 'h264.mkv', 'vp9.webm', 'vp8.webm', 'av1.mp4', 'animated.gif', 'animated.webp'];
  test.each(names)(
    '%s ends, in frames or in an error of ours, and leaves no promise behind',
    async (name) => {
      const unhandled = vi.fn();
      process.on('unhandledRejection', unhandled);
      const whole = await clip(name);
      const next = randomBelow(7);
      let refused = 0;
      for (let round = 0; round < 20; round++) {
        const bytes = whole.slice();
        for (let i = next(6); i >= 0; i--) bytes[next(bytes.length)] = next(256);
        try {
          await drain(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(EngineError);
          refused++;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
      process.off('unhandledRejection', unhandled);
      expect(unhandled).not.toHaveBeenCalled();
      expect(refused).toBeGreaterThan(0);
    },
  );
});

/** A linear congruential generator: Numerical Recipes, section 7.1. */
function randomBelow(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
