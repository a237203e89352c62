import type { Picture } from './picture.ts';
import type { Passes } from './resample.ts';
import type { Coefficients } from './resample-coefficients.ts';

const CHANNELS = 3;

/** Resampling in plain TypeScript: what the fast path is tested against, and what runs where WebAssembly may not. */
export function resamplePlain(picture: Picture, { across, down, downFirst }: Passes): Picture {
  const squeeze = (from: Picture): Picture =>
    across ? resampleRows(from, across.count.length, across) : from;
  const stack = (from: Picture): Picture => (down ? resampleColumns(from, down.count.length, down) : from);
  return downFirst ? squeeze(stack(picture)) : stack(squeeze(picture));
}

function resampleRows(picture: Picture, width: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride, precision } = coefficients;
  const round = 1 << (precision - 1);
  const { height, data: source } = picture;
  // Clamped, so that a store clips to 0 and 255.
  const target = new Uint8ClampedArray(width * height * CHANNELS);
  let write = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = y * picture.width;
    for (let x = 0; x < width; x++) {
      let read = (rowStart + (start[x] as number)) * CHANNELS;
      let red = round;
      let green = round;
      let blue = round;
      const end = x * stride + (count[x] as number);
      for (let tap = x * stride; tap < end; tap++) {
        const weight = weights[tap] as number;
        red += (source[read] as number) * weight;
        green += (source[read + 1] as number) * weight;
        blue += (source[read + 2] as number) * weight;
        read += CHANNELS;
      }
      target[write++] = red >> precision;
      target[write++] = green >> precision;
      target[write++] = blue >> precision;
    }
  }
  return { width, height, data: new Uint8Array(target.buffer) };
}

function resampleColumns(picture: Picture, height: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride, precision } = coefficients;
  const round = 1 << (precision - 1);
  const { width, data: source } = picture;
  const rowLength = width * CHANNELS;
  const target = new Uint8ClampedArray(height * rowLength);
  // Whole rows are summed at once: the source is then read in memory order.
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < height; y++) {
    sums.fill(round);
    for (let tap = 0; tap < (count[y] as number); tap++) {
      const weight = weights[y * stride + tap] as number;
      const read = ((start[y] as number) + tap) * rowLength;
      for (let i = 0; i < rowLength; i++) {
        sums[i] = (sums[i] as number) + (source[read + i] as number) * weight;
      }
    }
    const write = y * rowLength;
    for (let i = 0; i < rowLength; i++) target[write + i] = (sums[i] as number) >> precision;
  }
  return { width, height, data: new Uint8Array(target.buffer) };
}
