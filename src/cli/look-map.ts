import { basename, relative } from 'node:path';
import { InputError } from '../core/errors.ts';
import { findPictures } from '../embed/find-pictures.ts';
import { loadPicture } from '../image/load-picture.ts';
import { resize } from '../image/resize.ts';
import { pictureMap } from '../look/picture-map.ts';
import { pictureVector } from '../look/picture-vector.ts';
import { principalComponents } from '../look/principal-components.ts';
import type { Terminal } from './command.ts';
import type { LookModel } from './look-model.ts';
import { pngAddress } from './look-output.ts';
import { createProgressLine, formatProgress } from './progress.ts';

export interface MapLook {
  readonly points: readonly { readonly path: string; readonly x: number; readonly y: number }[];
  readonly explained: readonly number[];
  readonly skipped: readonly { readonly path: string; readonly problem: string }[];
  readonly svg: string;
}

/** Longer edge of a thumbnail: fewer pictures, larger ones. */
const thumbnailEdge = (pictures: number): number =>
  Math.round(Math.min(88, Math.max(26, 240 / Math.sqrt(pictures))));

/** All pictures of a folder, each where its vector lies. Throws InputError for fewer than two that can be read. */
export async function lookMap(
  { kind, model }: LookModel,
  folder: string,
  { stderr, signal }: Terminal,
): Promise<MapLook> {
  const { paths, skipped: unlisted } = await findPictures(folder);
  const skipped = [...unlisted];
  const edge = thumbnailEdge(paths.length);
  const seen: { path: string; vector: Float32Array; href: string; width: number; height: number }[] = [];
  const progress = createProgressLine(stderr);
  try {
    for (const [i, path] of paths.entries()) {
      progress.show(formatProgress('pictures', i, paths.length, `${i} of ${paths.length}`));
      signal.throwIfAborted();
      const picture = await loadPicture(path, { signal }).catch((error: unknown) => {
        skipped.push({ path, problem: error instanceof Error ? error.message : String(error) });
      });
      if (!picture) continue;
      const vector =
        kind === 'compares'
          ? await model.embedImage(picture, { signal })
          : await pictureVector(model, picture, { signal });
      const factor = edge / Math.max(picture.width, picture.height);
      // Twice as many pixels, for screens that have them.
      const [width, height] = [picture.width, picture.height].map((size) =>
        Math.max(1, Math.round(size * factor)),
      );
      const thumbnail = resize(picture, 2 * (width ?? 1), 2 * (height ?? 1), 'bicubic');
      seen.push({ path, vector, href: await pngAddress(thumbnail), width: width ?? 1, height: height ?? 1 });
    }
  } finally {
    progress.clear();
  }
  if (seen.length < 2) {
    throw new InputError(
      `folder "${folder}": ${seen.length} of its ${paths.length} pictures can be read; expected two or more.`,
    );
  }
  const { points, explained } = principalComponents(seen.map(({ vector }) => vector));
  const placed = seen.map((one, i) => {
    const [x = 0, y = 0] = points[i] ?? [];
    return { ...one, x, y };
  });
  const svg = pictureMap({
    title: `${placed.length} pictures as ${basename(model.name)} sees them`,
    points: placed.map((point) => ({ ...point, name: relative(folder, point.path) })),
    explained,
  });
  return { points: placed.map(({ path, x, y }) => ({ path, x, y })), explained, skipped, svg };
}
