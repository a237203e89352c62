import { ConfigError } from '../core/errors.ts';
import type { PixelSize } from '../image/image-processor.ts';
import type { ConfigReader } from '../models/config-reader.ts';

/** Sizes that SmolVLM's and Idefics 3's image processors bring a picture to. Reference: image_processing_pil_smolvlm.py. */

/** No picture is made larger than this, whatever a file says. */
const MAX_EDGE = 4096;

/**
 * The longer edge at `longestEdge`, up or down, the other one in proportion and made even by a further pixel. Both are
 * then brought below MAX_EDGE.
 */
export function sizeAtLongestEdge({ height, width }: PixelSize, longestEdge: number): PixelSize {
  const ratio = width / height;
  const even = (edge: number): number => Math.max(edge + (edge % 2), 1);
  const scaled =
    width >= height
      ? { width: longestEdge, height: even(Math.trunc(longestEdge / ratio)) }
      : { height: longestEdge, width: even(Math.trunc(longestEdge * ratio)) };
  return belowMaxEdge(scaled);
}

function belowMaxEdge({ height, width }: PixelSize): PixelSize {
  const ratio = width / height;
  if (width >= height && width > MAX_EDGE) {
    return { width: MAX_EDGE, height: Math.max(Math.trunc(MAX_EDGE / ratio), 1) };
  }
  if (height > width && height > MAX_EDGE) {
    return { height: MAX_EDGE, width: Math.max(Math.trunc(MAX_EDGE * ratio), 1) };
  }
  return { height, width };
}

/** Both edges rounded up to multiples of `side`: the longer by itself, the other in proportion to it. */
export function sizeInTiles({ height, width }: PixelSize, side: number): PixelSize {
  const ratio = width / height;
  const roundUp = (edge: number): number => Math.ceil(edge / side) * side;
  if (width >= height) {
    const across = roundUp(width);
    return { width: across, height: roundUp(Math.trunc(across / ratio)) };
  }
  const down = roundUp(height);
  return { height: down, width: roundUp(Math.trunc(down * ratio)) };
}

/** The rule that a processor's `size` states: a longest edge to scale to, or both edges. Throws ConfigError. */
export function readSize(size: ConfigReader): (picture: PixelSize) => PixelSize {
  if (size.has('longest_edge')) {
    const longestEdge = pixelEdge(size, 'longest_edge');
    return (picture) => sizeAtLongestEdge(picture, longestEdge);
  }
  const exact = { height: pixelEdge(size, 'height'), width: pixelEdge(size, 'width') };
  return () => exact;
}

/** No tower takes more; a larger number can only be a mistake, and would ask for gigabytes. */
const MAX_PIXEL_EDGE = 16384;

export function pixelEdge(json: ConfigReader, field: string): number {
  const edge = json.count(field);
  if (edge <= MAX_PIXEL_EDGE) return edge;
  throw new ConfigError(`${json.where}: "${field}" is ${edge}; expected at most ${MAX_PIXEL_EDGE} pixels.`);
}
