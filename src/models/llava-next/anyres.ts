import { ConfigError, InputError } from '../../core/errors.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { ConfigReader } from '../config-reader.ts';

// How LLaVA-NeXT and its descendants lay a picture of any size over square tiles. Sizes are [height, width].
// Reference: select_best_resolution in image_processing_utils.py and unpad_image in modeling_llava_next.py of
// transformers; the order of operations decides the last pixel.

/** `image_grid_pinpoints`: the sizes a picture may be brought to. Throws ConfigError for a list of none or of others. */
export function readPinpoints(json: ConfigReader, fallback: readonly Size2d[]): readonly Size2d[] {
  const value = json.has('image_grid_pinpoints') ? json.value('image_grid_pinpoints') : fallback;
  const isSize = (size: unknown): size is Size2d =>
    Array.isArray(size) && size.length === 2 && size.every((edge) => Number.isSafeInteger(edge) && edge > 0);
  if (Array.isArray(value) && value.length > 0 && value.every(isSize)) return value;
  throw new ConfigError(
    `${json.where}: "image_grid_pinpoints" is ${(JSON.stringify(value) ?? '').slice(0, 80)}; expected one [height, width] or more, in whole pixels.`,
  );
}

/** The size that keeps most of the picture's pixels, and of those the one that wastes least; the first of equals. */
export function bestResolution([height, width]: Size2d, pinpoints: readonly Size2d[]): Size2d {
  let best: Size2d | undefined;
  let [mostKept, leastWasted] = [0, Number.POSITIVE_INFINITY];
  for (const [h, w] of pinpoints) {
    const scale = Math.min(w / width, h / height);
    const kept = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const wasted = w * h - kept;
    if (kept > mostKept || (kept === mostKept && wasted < leastWasted)) {
      [best, mostKept, leastWasted] = [[h, w], kept, wasted];
    }
  }
  if (best) return best;
  throw new InputError(`picture: ${width}x${height} fits no size of image_grid_pinpoints; expected one.`);
}

/** The rows and columns of a feature map that lie on the picture, without what padded it to the tiles' shape. */
export interface Unpadded {
  readonly top: number;
  readonly left: number;
  /** [rows, columns], 0 where a sliver of a picture falls between them. */
  readonly size: Size2d;
}

/** Where the picture of `imageSize` lies in a map of `[rows, columns]`, which it fills along one axis. */
export function unpadded([height, width]: Size2d, [rows, columns]: Size2d): Unpadded {
  if (width / height > columns / rows) {
    const top = Math.floor((rows - wholePart(height * (columns / width))) / 2);
    return { top, left: 0, size: [rows - 2 * top, columns] };
  }
  const left = Math.floor((columns - wholePart(width * (rows / height))) / 2);
  return { top: 0, left, size: [rows, columns - 2 * left] };
}

/** Python's int(round(value, 7)): just below a whole number counts as it. */
const wholePart = (value: number): number => Math.trunc(Number(value.toFixed(7)));

/** A map shrinks where it has more than this many times the patches of `maxTiles` tiles, along each axis. */
const SHRINK_FROM = 1.1;

/**
 * The size a map is shrunk to so that it has about as many features as `maxTiles` tiles of `side` by `side`; its own
 * where it has not many more. Throws InputError where nothing of a sliver would be left.
 */
export function shrunk([rows, columns]: Size2d, maxTiles: number, side: number): Size2d {
  const ratio = Math.sqrt((rows * columns) / (maxTiles * side ** 2));
  if (!(ratio > SHRINK_FROM)) return [rows, columns];
  const size: Size2d = [floorQuotient(rows, ratio), floorQuotient(columns, ratio)];
  if (size[0] > 0 && size[1] > 0) return size;
  throw new InputError(
    `picture: its ${rows}x${columns} features would be shrunk to ${size.join('x')}; expected one row and column at least. Use a picture that is less long.`,
  );
}

/** Python's a // b, which does not round the quotient before it cuts it off. */
const floorQuotient = (a: number, b: number): number => Math.round((a - (a % b)) / b);
