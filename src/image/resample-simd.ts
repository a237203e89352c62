import type { Picture } from './picture.ts';
import type { Passes } from './resample.ts';
import type { Coefficients } from './resample-coefficients.ts';
import { RESAMPLE_KERNELS } from './resample-kernels.ts';

/** What resample-kernels.as.ts exports: its comments say what the arguments are. */
type Kernels = {
  readonly memory: WebAssembly.Memory;
  readonly resampleRows: (
    source: number,
    sourceStride: number,
    target: number,
    targetStride: number,
    width: number,
    starts: number,
    weights: number,
    quads: number,
    precision: number,
  ) => void;
  readonly resampleColumns: (
    rows: number,
    target: number,
    byteLength: number,
    weights: number,
    pairs: number,
    precision: number,
  ) => void;
};

/** The memory of the kernels, handed out from its start. */
type Arena = Kernels & {
  readonly reserve: (byteLength: number) => number;
  /** All of it. A view made for every row would be work for the garbage collector. */
  readonly bytes: () => Uint8Array;
};

/** Puts a row of RGB and the one below it, if there is one, at an address and `stride` bytes on; from top to bottom. */
type RowSource = (row: number, target: number, stride: number) => void;

const CHANNELS = 3;
const PAGE_BYTES = 2 ** 16;
/** Kernels read and write up to so much beyond the end of a row. */
const SLACK_BYTES = 16;
/** The memory of kernels never shrinks, so that after a giant picture it is given up. */
const MOST_KEPT_BYTES = 2 ** 24;

/** Undefined before the first picture, null where they do not compile. */
let kept: Kernels | null | undefined;

/**
 * Resamples 128 bits at a time in WebAssembly, in one sweep down the picture: what lies between the passes is no more
 * than the rows that the next sums down it read. Null where a page's security policy or an old engine refuses to compile.
 */
export function resampleSimd(picture: Picture, { across, down, downFirst }: Passes): Picture | null {
  if (kept === undefined) kept = compileKernels();
  if (!kept) return null;
  const arena = createArena(kept);
  // Columns that no sum reads are not even copied.
  const firstColumn = across?.start[0] ?? 0;
  const columns = (across ? endOf(across) : picture.width) - firstColumn;
  const width = across?.count.length ?? picture.width;
  const height = down?.count.length ?? picture.height;

  const source = copyRows(arena, picture, firstColumn, columns);
  const squeeze = (rows: RowSource): RowSource =>
    across ? rowsAcross(arena, rows, across, firstColumn, columns) : rows;
  const stack = (rows: RowSource, rowLength: number): RowSource =>
    down ? rowsDown(arena, rows, down, rowLength * CHANNELS) : rows;
  const rows = downFirst ? squeeze(stack(source, columns)) : stack(squeeze(source), width);

  const rowBytes = width * CHANNELS;
  const stride = alignedBytes(rowBytes);
  const output = arena.reserve(2 * stride);
  const data = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    if (y % 2 === 0) rows(y, output, stride);
    const from = output + (y % 2) * stride;
    data.set(arena.bytes().subarray(from, from + rowBytes), y * rowBytes);
  }
  if (arena.memory.buffer.byteLength > MOST_KEPT_BYTES) kept = undefined;
  return { width, height, data };
}

function compileKernels(): Kernels | null {
  try {
    const bytes = Uint8Array.from(atob(RESAMPLE_KERNELS), (letter) => letter.charCodeAt(0));
    return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Kernels;
  } catch {
    return null;
  }
}

function createArena(kernels: Kernels): Arena {
  const { memory } = kernels;
  let end = 0;
  const reserve = (byteLength: number): number => {
    const start = end;
    end += alignedBytes(byteLength);
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    return start;
  };
  let view = new Uint8Array(memory.buffer);
  const bytes = (): Uint8Array => {
    // Growing takes the bytes away from views that were made before.
    if (view.length === 0) view = new Uint8Array(memory.buffer);
    return view;
  };
  return { ...kernels, reserve, bytes };
}

const alignedBytes = (byteLength: number): number =>
  Math.ceil(byteLength / SLACK_BYTES) * SLACK_BYTES + SLACK_BYTES;

/** The column or row after the last that a sum reads. */
const endOf = ({ start, count }: Coefficients): number => (start.at(-1) ?? 0) + (count.at(-1) ?? 0);

function copyRows(arena: Arena, picture: Picture, firstColumn: number, columns: number): RowSource {
  const { width, height, data } = picture;
  // Node's Buffer takes long to cut.
  const source = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return (row, target, stride) => {
    for (let y = row; y < Math.min(row + 2, height); y++) {
      const from = (y * width + firstColumn) * CHANNELS;
      const pixels = source.subarray(from, from + columns * CHANNELS);
      arena.bytes().set(pixels, target + (y - row) * stride);
    }
  };
}

function rowsAcross(
  arena: Arena,
  rows: RowSource,
  across: Coefficients,
  firstColumn: number,
  columns: number,
): RowSource {
  const { memory, resampleRows, reserve } = arena;
  const { start, precision } = across;
  const width = start.length;
  const { address: weights, pairs } = placeWeights(arena, across, 4);
  const starts = reserve(start.byteLength);
  new Int32Array(memory.buffer, starts, width).set(start.map((x) => (x - firstColumn) * CHANNELS));
  // A sum of fewer pixels than others loads as many, also beyond the row; what is too much has no weight.
  const inputStride = alignedBytes((columns + 2 * pairs) * CHANNELS);
  const input = reserve(2 * inputStride);
  return (row, target, stride) => {
    rows(row, input, inputStride);
    resampleRows(input, inputStride, target, stride, width, starts, weights, pairs / 2, precision);
  };
}

function rowsDown(arena: Arena, rows: RowSource, down: Coefficients, rowBytes: number): RowSource {
  const { memory, resampleColumns, reserve } = arena;
  const { start, count, precision } = down;
  const { address: weights, pairs } = placeWeights(arena, down, 2);
  const taps = 2 * pairs;
  const pointers = reserve(4 * taps);
  // The rows that a sum reads lie in a ring, with room for two more, since they come in twos.
  const slots = taps + 2;
  const slotBytes = alignedBytes(rowBytes);
  const ring = reserve(slots * slotBytes);
  const slotOf = (row: number): number => ring + (row % slots) * slotBytes;
  let next = 0;
  const sumRow = (row: number, target: number): void => {
    const first = start[row] as number;
    const end = first + (count[row] as number);
    for (next = Math.max(next, first - (first % 2)); next < end; next += 2)
      rows(next, slotOf(next), slotBytes);
    // Where a sum reads fewer rows than others, the rest have no weight.
    const addresses = new Uint32Array(memory.buffer, pointers, taps);
    for (let tap = 0; tap < taps; tap++) addresses[tap] = slotOf(first + tap);
    resampleColumns(pointers, target, rowBytes, weights + row * pairs * PAIR_BYTES, pairs, precision);
  };
  return (row, target, stride) => {
    for (let y = row; y < Math.min(row + 2, start.length); y++) sumRow(y, target + (y - row) * stride);
  };
}

/** Bits of the lower part of a weight, and bytes of the weights of two taps. */
const LOW_BITS = 15;
const PAIR_BYTES = 8;

/** Lays out weights as the kernels read them, `multiple` taps at a time. */
function placeWeights(
  { memory, reserve }: Arena,
  { count, weights, stride }: Coefficients,
  multiple: number,
): { readonly address: number; readonly pairs: number } {
  const taps = Math.ceil(count.reduce((most, one) => Math.max(most, one), 0) / multiple) * multiple;
  const pairs = taps / 2;
  const address = reserve(count.length * pairs * PAIR_BYTES);
  const table = new Int16Array(memory.buffer, address, count.length * pairs * 4);
  table.fill(0);
  for (const [i, used] of count.entries()) {
    for (let tap = 0; tap < used; tap++) {
      const weight = weights[i * stride + tap] as number;
      const at = (i * pairs + (tap >> 1)) * 4 + (tap & 1);
      table[at] = weight >> LOW_BITS;
      table[at + 2] = weight & ((1 << LOW_BITS) - 1);
    }
  }
  return { address, pairs };
}
