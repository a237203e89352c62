import { InputError } from '../core/errors.ts';

/** An upright picture: 8-bit RGB, rows top to bottom, `[height, width, 3]`. */
export type Picture = {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
};

/** Wraps RGB bytes as a Picture. Throws InputError when the sizes do not multiply to the byte count. */
export function createPicture(width: number, height: number, data: Uint8Array): Picture {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!whole || data.length !== width * height * 3) {
    throw new InputError(
      `picture: ${width}x${height} with ${data.length} bytes; expected positive whole sizes and width * height * 3 bytes of RGB.`,
    );
  }
  return { width, height, data };
}

export function isPicture(value: unknown): value is Picture {
  if (typeof value !== 'object' || value === null) return false;
  const { width, height, data } = value as Partial<Picture>;
  return typeof width === 'number' && typeof height === 'number' && data instanceof Uint8Array;
}
