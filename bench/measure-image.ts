import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type sharpModule from 'sharp';
import type { Sharp } from 'sharp';
import { invariant } from '../src/core/errors.ts';
import { decodePicture } from '../src/image/decode.ts';
import type { ImageProcessorConfig } from '../src/image/image-processor.ts';
import type { Picture } from '../src/image/picture.ts';
import { preprocess } from '../src/image/preprocess.ts';
import { resize } from '../src/image/resize.ts';
import { type ImageCase, type Size, shapeOf } from './image-cases.ts';
import type { ImageRow, ImageTiming } from './image-report.ts';
import { quantile, spreadOf } from './statistics.ts';

const LEAST_SAMPLES = 9;
/** Short runs are timed together. */
const LEAST_SAMPLE_MS = 5;
const CLIP: Pick<ImageProcessorConfig, 'rescaleFactor' | 'normalize'> = {
  rescaleFactor: 1 / 255,
  normalize: { mean: [0.48145466, 0.4578275, 0.40821073], std: [0.26862954, 0.26130258, 0.27577711] },
};

/** Ours and sharp's, in turn for `seconds`. Rejects where sharp is not installed. */
export async function measureImage(one: ImageCase, seconds: number): Promise<ImageRow> {
  const { default: sharp } = await import('sharp');
  const picture = await textured(one.from);
  const ways =
    one.op === 'image resize' ? resizeWays(one, picture, sharp) : await pathWays(one, picture, sharp);
  const [own, byDefault, ...others] = await sampleInTurn(ways, seconds);
  invariant(own && byDefault, 'a picture was sampled in neither way');
  const { samples, median: ms, p10, p90, cpuMs } = own;
  return {
    op: one.op,
    shape: shapeOf(one),
    dtype: one.filter,
    ...{ ms, p10, p90, samples, cpuMs },
    sharp: byDefault,
    overSharp: ms / byDefault.median,
    cpuOverSharp: cpuMs / byDefault.cpuMs,
    others,
  };
}

interface Way {
  readonly name: string;
  run(): unknown;
}

/** sharp with as many threads as it takes by itself, and with others. */
function sharpWays(sharp: typeof sharpModule, words: string, run: () => Promise<unknown>): Way[] {
  const own = sharp.concurrency();
  const threads = [...new Set([own, 1, availableParallelism()])];
  return threads.map((count, i) => ({
    name: `sharp${words}, ${count} ${count === 1 ? 'thread' : 'threads'}${i === 0 ? ' (its default)' : ''}`,
    async run() {
      sharp.concurrency(count);
      await run().finally(() => sharp.concurrency(own));
    },
  }));
}

function resizeWays(one: ImageCase, picture: Picture, sharp: typeof sharpModule): Way[] {
  const { to, filter } = one;
  const raw = { width: picture.width, height: picture.height, channels: 3 } as const;
  return [
    { name: 'tessera', run: () => resize(picture, ...to, filter, boxOf(one)) },
    ...sharpWays(sharp, '', () => resizeBySharp(sharp(picture.data, { raw }), one).toBuffer()),
  ];
}

async function pathWays(
  one: ImageCase,
  { data, width, height }: Picture,
  sharp: typeof sharpModule,
): Promise<Way[]> {
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
  const { to, middle, filter } = one;
  const size = ([width, height]: Size) => ({ width, height });
  const config: ImageProcessorConfig = {
    ...CLIP,
    resize: { kind: 'exact', ...size(to) },
    filter,
    centerCrop: middle ? size(middle) : null,
  };
  // A part taken before resizing, even all of it, keeps sharp from decoding a JPEG at an eighth of its size.
  const whole = { left: 0, top: 0, width, height };
  return [
    { name: 'tessera', run: async () => preprocess(await decodePicture(jpeg), config) },
    ...sharpWays(sharp, '', () => resizeBySharp(sharp(jpeg), one).toBuffer()),
    ...sharpWays(sharp, ', decoded whole', () => resizeBySharp(sharp(jpeg).extract(whole), one).toBuffer()),
  ];
}

const resizeBySharp = (image: Sharp, one: ImageCase): Sharp =>
  image
    .resize(...one.to, { fit: 'fill', kernel: one.filter === 'bicubic' ? 'cubic' : 'linear' })
    .extract(boxOf(one))
    .raw();

function boxOf({ to: [width, height], middle = [width, height] }: ImageCase) {
  return {
    left: Math.floor((width - middle[0]) / 2),
    top: Math.floor((height - middle[1]) / 2),
    width: middle[0],
    height: middle[1],
  };
}

/** The example enlarged, under a little noise, as no photo is smooth. */
async function textured([width, height]: Size): Promise<Picture> {
  const scene = await decodePicture(await readFile(join(import.meta.dirname, '../examples/scene.png')));
  const { data } = resize(scene, width, height, 'bicubic');
  let state = 1;
  const noisy = Uint8ClampedArray.from(data, (level) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return level + (state >> 28);
  });
  return { width, height, data: new Uint8Array(noisy.buffer) };
}

async function sampleInTurn(
  ways: readonly Way[],
  seconds: number,
): Promise<readonly (ImageTiming & { readonly samples: number })[]> {
  // Twice, since engines make faster code of what has run before.
  const reps: number[] = [];
  for (const way of [...ways, ...ways]) {
    const startedMs = performance.now();
    await way.run();
    reps.push(Math.ceil(LEAST_SAMPLE_MS / (performance.now() - startedMs)));
  }
  const counts = reps.slice(ways.length);
  const samples = ways.map(() => ({ ms: [] as number[], cpuMs: [] as number[] }));
  const endMs = performance.now() + seconds * 1000;
  for (let round = 0; round < LEAST_SAMPLES || performance.now() < endMs; round++) {
    // Another order each time: what runs after a slow one may find other caches.
    const order = [...ways.keys()];
    for (const i of round % 2 === 0 ? order : order.reverse()) {
      const count = counts[i] ?? 1;
      const before = process.cpuUsage();
      const startedMs = performance.now();
      for (let rep = 0; rep < count; rep++) await ways[i]?.run();
      const ms = performance.now() - startedMs;
      const { user, system } = process.cpuUsage(before);
      samples[i]?.ms.push(ms / count);
      samples[i]?.cpuMs.push((user + system) / 1000 / count);
    }
  }
  return samples.map(({ ms, cpuMs }, i) => ({
    name: ways[i]?.name ?? '',
    ...spreadOf(ms),
    cpuMs: quantile(cpuMs, 0.5),
    samples: ms.length,
  }));
}
