import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AbortError } from '../../src/core/errors.ts';
import type { Picture } from '../../src/image/picture.ts';
import { uniformFrames } from '../../src/processors/frame-sampling.ts';
import { openVideo, type VideoSource } from '../../src/video/open-video.ts';
import { serveFiles, startServer } from '../weights/range-server.ts';
import { FIELDS, fieldColours, pixel, spelledIndex } from './clip-frame.ts';

const clip = (name: string): string => `test/video/clips/${name}`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-video-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(source: VideoSource, indices?: readonly number[]) {
  const video = await openVideo(source);
  const frames: Picture[] = [];
  for await (const picture of video.frames(indices)) frames.push(picture);
  return { video, frames };
}

const EXACT = 0;
/** 8-bit YUV holds about 1 in 2.2 of the colours of a cube; lossy coding adds a level. */
const YUV = 3;
const formats = [
  ['h264.mp4', YUV],
  ['h264.mov', YUV],
  ['h264.mkv', YUV],
  ['fragmented.mp4', YUV],
  ['sound.mp4', YUV],
  ['bt709.mp4', YUV],
  ['full-range.mp4', YUV],
  ['h264-444.mp4', YUV],
  ['hevc.mp4', YUV],
  ['av1.mp4', YUV],
  ['vp8.webm', YUV],
  ['vp9.webm', YUV],
  ['vp9-10bit.webm', YUV],
  ['animated.gif', EXACT],
  ['animated.webp', EXACT],
] as const;

describe('every frame, in order, in its colours and at its time', () => {
  test.each(formats)('%s', async (name, tolerance) => {
    const { video, frames } = await read(clip(name));
    expect(video).toMatchObject({ width: 64, height: 48, frameCount: 20, fps: 10 });
    expect(video.durationSeconds).toBeCloseTo(2, 9);
    expect(frames.map(spelledIndex)).toEqual([...Array(20).keys()]);
    for (const [index, picture] of frames.entries()) {
      expect(video.timesSeconds?.[index]).toBeCloseTo(index / 10, 9);
      fieldColours(picture).forEach((colour, field) => {
        colour.forEach((value, channel) => {
          const difference = Math.abs(value - (FIELDS[field]?.[channel] ?? 0));
          expect(difference, `frame ${index}, field ${field}: ${colour}`).toBeLessThanOrEqual(tolerance);
        });
      });
    }
  });

  test('uneven times stay as they are', async () => {
    const video = await openVideo(clip('uneven.mp4'));
    expect(Array.from(video.timesSeconds ?? [], (seconds) => Math.round(seconds * 1000))).toEqual(
      Array.from({ length: 20 }, (_, i) => 100 * (i + 3 * Math.floor(i / 3))),
    );
    expect(video.fps).toBeCloseTo(20 / 3.8, 9);
  });
});

describe('the frames that are asked for, and no others', () => {
  // Two of key frame 8's group, its neighbour's last, one far off: forward references, seeking and going on are in it.
  const wanted = [0, 7, 8, 8, 10, 18];
  test.each(formats)('%s', async (name) => {
    const { frames } = await read(clip(name), wanted);
    expect(frames.map(spelledIndex)).toEqual(wanted);
  });

  test('each single frame by itself', async () => {
    const video = await openVideo(clip('h264.mp4'));
    for (let index = 0; index < video.frameCount; index++) {
      for await (const picture of video.frames([index])) expect(spelledIndex(picture)).toBe(index);
    }
  });

  test('8 of 1,000', async () => {
    const video = await openVideo(clip('long.mp4'));
    expect(video).toMatchObject({ frameCount: 1000, fps: 30 });
    const { frames } = await read(clip('long.mp4'), uniformFrames(video, { numFrames: 8 }));
    expect(frames.map(spelledIndex)).toEqual([0, 125, 250, 375, 500, 625, 750, 875]);
  });

  test('leaving early ends the decoding, and the video can be read again', async () => {
    const video = await openVideo(clip('long.mp4'));
    for (let round = 0; round < 2; round++) {
      let index = 0;
      for await (const picture of video.frames()) {
        expect(spelledIndex(picture)).toBe(index);
        if (index++ === 3) break;
      }
    }
  });

  test('a signal ends it', async () => {
    const video = await openVideo(clip('h264.mp4'));
    const controller = new AbortController();
    const seen: number[] = [];
    await expect(async () => {
      for await (const picture of video.frames(undefined, controller.signal)) {
        seen.push(spelledIndex(picture));
        if (seen.length === 3) controller.abort();
      }
    }).rejects.toThrow(AbortError);
    expect(seen).toEqual([0, 1, 2]);
  });

  test.each([[[3, 2]], [[-1]], [[20]], [[0.5]]])('indices %j are refused', async (indices) => {
    await expect(read(clip('vp9.webm'), indices)).rejects.toThrow(
      /^video ".*vp9.webm": frame .* is asked for after frame .*, of 20; expected whole numbers from 0 to 19/,
    );
  });
});

/** Where the corners of the upright picture go, by the matrix in the track's header. */
const turns: readonly [string, readonly [number, number, number, number], readonly string[]][] = [
  ['as it is', [1, 0, 0, 1], ['white', 'black', 'red', 'yellow']],
  ['a quarter clockwise', [0, 1, -1, 0], ['red', 'white', 'yellow', 'black']],
  ['half', [-1, 0, 0, -1], ['yellow', 'red', 'black', 'white']],
  ['a quarter anticlockwise', [0, -1, 1, 0], ['black', 'yellow', 'white', 'red']],
  ['mirrored', [-1, 0, 0, 1], ['black', 'white', 'yellow', 'red']],
  ['upside down, mirrored', [1, 0, 0, -1], ['red', 'yellow', 'white', 'black']],
];

describe('turned as the file asks', () => {
  test.each(turns)('%s', async (_, matrix, corners) => {
    const { frames } = await read(withMatrix(await readFile(clip('h264.mp4')), matrix), [1]);
    const picture = frames[0] ?? { width: 0, height: 0, data: new Uint8Array() };
    const isTurned = matrix[0] === 0;
    expect([picture.width, picture.height]).toEqual(isTurned ? [48, 64] : [64, 48]);
    const [right, bottom] = [picture.width - 3, picture.height - 3];
    const places = [[2, 2] as const, [right, 2] as const, [2, bottom] as const, [right, bottom] as const];
    expect(places.map(([x, y]) => nameOf(pixel(picture, x, y)))).toEqual(corners);
  });

  test('as ffmpeg turns rotated.mp4', async () => {
    const { video, frames } = await read(clip('rotated.mp4'), [3]);
    expect([video.width, video.height]).toEqual([48, 64]);
    const picture = frames[0] ?? { width: 0, height: 0, data: new Uint8Array() };
    const corners = [
      pixel(picture, 2, 2),
      pixel(picture, 45, 2),
      pixel(picture, 2, 61),
      pixel(picture, 45, 61),
    ];
    expect(corners.map(nameOf)).toEqual(['black', 'yellow', 'white', 'red']);
  });
});

function nameOf([red = 0, green = 0, blue = 0]: readonly number[]): string {
  if (blue > 200) return 'white';
  if (green > 200) return 'yellow';
  return red > 150 ? 'red' : 'black';
}

/** The file with a, b, c, d of the display matrix exchanged. ISO/IEC 14496-12, section 8.3.2: 16.16 fixed point. */
function withMatrix(file: Uint8Array, [a, b, c, d]: readonly [number, number, number, number]): Uint8Array {
  const bytes = new Uint8Array(file);
  const view = new DataView(bytes.buffer);
  const header = Buffer.from(bytes).indexOf('tkhd') + 4;
  const matrix = header + 40;
  expect(view.getInt32(matrix)).toBe(0x10000);
  for (const [at, value] of [
    [0, a],
    [4, b],
    [12, c],
    [16, d],
  ] as const) {
    view.setInt32(matrix + at, value * 0x10000);
  }
  return bytes;
}

describe('sources', () => {
  test('bytes, a Blob, a file URL and an address give the same frames', async () => {
    const bytes = new Uint8Array(await readFile(clip('vp9.webm')));
    const server = await startServer(serveFiles(new Map([['/clip', bytes]])));
    const sources: VideoSource[] = [
      bytes,
      new Blob([bytes]),
      new File([bytes], 'clip.webm'),
      pathToFileURL(clip('vp9.webm')),
    ];
    const names: string[] = [];
    for (const source of sources) {
      const { video, frames } = await read(source, [5]);
      names.push(video.name);
      expect(frames.map(spelledIndex)).toEqual([5]);
    }
    expect(names.slice(0, 3)).toEqual(['bytes', 'blob', 'clip.webm']);
    const url = `${server.url}/clip`;
    const video = await openVideo(url, { allowPrivateAddresses: true });
    expect([video.name, video.frameCount]).toEqual([url, 20]);
    await expect(openVideo(url)).rejects.toThrow(
      /^video "http:.*": it cannot be fetched \(.*private network/,
    );
    await server.close();
  });

  test('a folder of pictures, in the order of the numbers in their names', async () => {
    const { frames } = await read(clip('animated.gif'));
    for (const [index, { width, height, data }] of frames.slice(0, 12).entries()) {
      const file = join(folder, `frame${index}.png`);
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(file);
    }
    await writeFile(join(folder, 'notes.txt'), 'no picture');
    const found = await read(folder);
    expect(found.video).toMatchObject({
      width: 64,
      height: 48,
      frameCount: 12,
      fps: null,
      durationSeconds: null,
    });
    expect(found.frames.map(spelledIndex)).toEqual([...Array(12).keys()]);
    const video = await openVideo(folder, { fps: 4 });
    expect([video.fps, video.durationSeconds]).toEqual([4, 3]);
    expect(Array.from(video.timesSeconds ?? []).slice(0, 4)).toEqual([0, 0.25, 0.5, 0.75]);
    expect(uniformFrames(video, { fps: 4 / 3 })).toEqual([0, 3, 6, 9]);

    await copyFile('examples/scene.png', join(folder, 'frame7.png'));
    await expect(read(folder)).rejects.toThrow(
      /frame 7 is \d+x\d+, the video 64x48; expected frames of one size/,
    );
  });

  test('pictures in an array, decoded or not', async () => {
    const { frames: pictures } = await read(clip('animated.webp'), [2, 9]);
    const png = await sharp(pictures[1]?.data ?? new Uint8Array(), {
      raw: { width: 64, height: 48, channels: 3 },
    })
      .png()
      .toBuffer();
    const list = await read([...pictures, new Uint8Array(png)]);
    expect(list.frames.map(spelledIndex)).toEqual([2, 9, 9]);
  });
});
