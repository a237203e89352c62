import { UnsupportedError } from '../core/errors.ts';
import { createPicture, type Picture } from '../image/picture.ts';

/** What WebCodecs' VideoFrame and mediabunny's VideoSample have in common. */
export interface RawFrame {
  /** WebCodecs' name of the pixel format; null for one that only the GPU knows. */
  readonly format: string | null;
  readonly visibleRect: { readonly width: number; readonly height: number } | null;
  readonly colorSpace: { readonly matrix?: string | null; readonly fullRange?: boolean | null };
  allocationSize(options?: CopyOptions): number;
  copyTo(destination: Uint8Array<ArrayBuffer>, options?: CopyOptions): Promise<readonly PlaneLayout[]>;
}

interface CopyOptions {
  readonly format?: 'RGBA';
}

interface PlaneLayout {
  readonly offset: number;
  readonly stride: number;
}

interface PixelFormat {
  /** Chroma samples are shared by so many pixels in a row, and so many rows. */
  readonly shared: readonly [number, number];
  readonly bits: 8 | 10 | 12;
  /** Both chroma values in one plane, by turns. */
  readonly interleaved: boolean;
}

const SHARED = { I420: [2, 2], I422: [2, 1], I444: [1, 1] } as const;

/** Weights of red and blue in luma, Kr and Kb. Source: ITU-T H.273, table 4. */
const LUMA_WEIGHTS: Readonly<Record<string, readonly [number, number]>> = {
  bt709: [0.2126, 0.0722],
  bt470bg: [0.299, 0.114],
  smpte170m: [0.299, 0.114],
  'bt2020-ncl': [0.2627, 0.0593],
};

/** Where neither file nor stream names a matrix, FFmpeg's scaler, which the reference decoders use, takes BT.601's. */
const DEFAULT_MATRIX = 'smpte170m';

/**
 * RGB of a decoded frame, as FFmpeg's scaler makes it when the size stays: each chroma sample serves all its pixels.
 * Done here and not by the decoder, so that a clip gives the same pixels in Node and in every browser. Wide gamuts and
 * high dynamic range are not mapped. Throws UnsupportedError for matrices and formats other than WebCodecs'.
 */
export async function toPicture(frame: RawFrame, name: string): Promise<Picture> {
  const { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
  const options: CopyOptions = frame.format === null ? { format: 'RGBA' } : {};
  const format = frame.format ?? 'RGBA';
  const pixels = new Uint8Array(frame.allocationSize(options));
  const planes = await frame.copyTo(pixels, options);
  const order = { RGBA: 0, RGBX: 0, BGRA: 2, BGRX: 2 }[format];
  const rgb =
    order !== undefined
      ? fromRgb(pixels, planes, width, height, order)
      : fromYuv(pixels, planes, width, height, pixelFormat(format, name), tablesOf(frame, format, name));
  return createPicture(width, height, rgb);
}

function pixelFormat(format: string, name: string): PixelFormat {
  if (format === 'NV12') return { shared: [2, 2], bits: 8, interleaved: true };
  const [, layout, bits = '8'] = /^(I420|I422|I444)A?(?:P(10|12))?$/.exec(format) ?? [];
  if (layout === undefined) {
    throw new UnsupportedError(
      `video "${name}": its frames decode to the pixel format ${format}; expected one of WebCodecs' YUV or RGB formats. Convert it to 8-bit 4:2:0 first.`,
    );
  }
  return {
    shared: SHARED[layout as keyof typeof SHARED],
    bits: Number(bits) as PixelFormat['bits'],
    interleaved: false,
  };
}

/** What each value of Y, U and V adds to red, green and blue. */
interface YuvTables {
  readonly luma: Float32Array;
  readonly redOfV: Float32Array;
  readonly greenOfU: Float32Array;
  readonly greenOfV: Float32Array;
  readonly blueOfU: Float32Array;
}

/** Source: ITU-T H.273, equations 23 to 43, solved for R, G and B. */
function tablesOf({ colorSpace }: RawFrame, format: string, name: string): YuvTables {
  const matrix = colorSpace.matrix ?? DEFAULT_MATRIX;
  const weights = LUMA_WEIGHTS[matrix];
  if (!weights) {
    throw new UnsupportedError(
      `video "${name}": its colours are in the matrix ${matrix}; expected one of ${Object.keys(LUMA_WEIGHTS).join(', ')}. Convert it to bt709 first.`,
    );
  }
  const [red, blue] = weights;
  const green = 1 - red - blue;
  const { bits } = pixelFormat(format, name);
  const unit = 2 ** (bits - 8);
  const isFull = colorSpace.fullRange === true;
  const lumaRange = isFull ? 2 ** bits - 1 : 219 * unit;
  const chromaRange = isFull ? 2 ** bits - 1 : 224 * unit;
  const table = (of: (value: number) => number): Float32Array =>
    Float32Array.from({ length: 2 ** bits }, (_, value) => of(value));
  const chroma = (factor: number): Float32Array =>
    table((value) => (255 * factor * (value - 128 * unit)) / chromaRange);
  return {
    luma: table((value) => (255 * (value - (isFull ? 0 : 16 * unit))) / lumaRange),
    redOfV: chroma(2 * (1 - red)),
    greenOfU: chroma((-2 * (1 - blue) * blue) / green),
    greenOfV: chroma((-2 * (1 - red) * red) / green),
    blueOfU: chroma(2 * (1 - blue)),
  };
}

function fromYuv(
  pixels: Uint8Array<ArrayBuffer>,
  planes: readonly PlaneLayout[],
  width: number,
  height: number,
  { shared, bits, interleaved }: PixelFormat,
  { luma, redOfV, greenOfU, greenOfV, blueOfU }: YuvTables,
): Uint8Array {
  const bytes = bits === 8 ? 1 : 2;
  // WebCodecs' planes of 16-bit samples begin and end at even bytes.
  const samples = bytes === 1 ? pixels : new Uint16Array(pixels.buffer, 0, pixels.length >> 1);
  const most = 2 ** bits - 1;
  const [first, second, third] = planes.map(({ offset, stride }) => ({
    offset: offset / bytes,
    stride: stride / bytes,
  }));
  const [y, u] = [first ?? NO_PLANE, second ?? NO_PLANE];
  const v = interleaved ? { ...u, offset: u.offset + 1 } : (third ?? NO_PLANE);
  const chromaStep = interleaved ? 2 : 1;
  const [sharedColumns, sharedRows] = shared;
  // Clamped, and rounded where a number is stored.
  const rgb = new Uint8ClampedArray(width * height * 3);
  let write = 0;
  for (let row = 0; row < height; row++) {
    const yRow = y.offset + row * y.stride;
    const chromaRow = sharedRows === 2 ? row >> 1 : row;
    const uRow = u.offset + chromaRow * u.stride;
    const vRow = v.offset + chromaRow * v.stride;
    for (let column = 0; column < width; column++) {
      const at = (sharedColumns === 2 ? column >> 1 : column) * chromaStep;
      const light = luma[(samples[yRow + column] as number) & most] as number;
      const uValue = (samples[uRow + at] as number) & most;
      const vValue = (samples[vRow + at] as number) & most;
      rgb[write++] = light + (redOfV[vValue] as number);
      rgb[write++] = light + (greenOfU[uValue] as number) + (greenOfV[vValue] as number);
      rgb[write++] = light + (blueOfU[uValue] as number);
    }
  }
  return new Uint8Array(rgb.buffer);
}

const NO_PLANE: PlaneLayout = { offset: 0, stride: 0 };

/** Drops the fourth value. `order` is 0 for red first, 2 for blue first. */
function fromRgb(
  pixels: Uint8Array,
  [plane = NO_PLANE]: readonly PlaneLayout[],
  width: number,
  height: number,
  order: number,
): Uint8Array {
  const rgb = new Uint8Array(width * height * 3);
  let write = 0;
  for (let row = 0; row < height; row++) {
    let read = plane.offset + row * plane.stride;
    for (let column = 0; column < width; column++, read += 4) {
      rgb[write++] = pixels[read + order] as number;
      rgb[write++] = pixels[read + 1] as number;
      rgb[write++] = pixels[read + 2 - order] as number;
    }
  }
  return rgb;
}
