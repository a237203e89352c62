import type { Sharp, SharpOptions } from 'sharp';
import { UnsupportedError } from '../core/errors.ts';
import { importHidden } from './import-hidden.ts';
import { createPicture, type Picture } from './picture.ts';
import { checkPixelCount, corruptPicture, type DecodeOptions } from './picture-file.ts';
import { clipGrey16ToRgb, cmykToRgb } from './pillow-convert.ts';

type OpenSharp = (file: Uint8Array | string, options?: SharpOptions) => Sharp;

/** Decodes with sharp (libvips). Throws UnsupportedError when sharp is not installed; see decodePicture. */
export async function decodeInNode(bytes: Uint8Array, options: DecodeOptions): Promise<Picture> {
  const sharp = await loadSharp();
  // The header's size is checked here, with our own message; sharp's limit would not name the file.
  const open = (): Sharp =>
    sharp(bytes, { limitInputPixels: false, failOn: 'error', ignoreIcc: true, pages: 1, animated: false });
  const header = await open()
    .metadata()
    .catch((cause: unknown) => {
      throw corruptPicture(options, cause);
    });
  checkPixelCount(header.width, header.height, options);
  try {
    if (header.space === 'cmyk') return await decodeCmyk(open());
    if (header.space === 'grey16' && header.channels === 1) return await decodeGrey16(open());
    return await decodeRgb(open());
  } catch (cause) {
    throw corruptPicture(options, cause);
  }
}

/** Throws UnsupportedError when sharp is not installed. */
export async function loadSharp(): Promise<OpenSharp> {
  try {
    return ((await importHidden('sharp')) as { readonly default: OpenSharp }).default;
  } catch (cause) {
    throw new UnsupportedError(
      `decode: the package "sharp", which reads pictures in Node, does not load (${cause instanceof Error ? cause.message : String(cause)}). Run: npm install sharp`,
      { cause },
    );
  }
}

async function decodeRgb(image: Sharp): Promise<Picture> {
  const { data, info } = await image
    .autoOrient()
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return createPicture(info.width, info.height, data);
}

/** libvips would go through a press profile; Pillow's conversion is plain arithmetic. */
async function decodeCmyk(image: Sharp): Promise<Picture> {
  const { data, info } = await image
    .pipelineColourspace('cmyk')
    .autoOrient()
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return createPicture(info.width, info.height, cmykToRgb(data));
}

async function decodeGrey16(image: Sharp): Promise<Picture> {
  const { data, info } = await image
    .autoOrient()
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  const samples = new Uint16Array(info.width * info.height);
  new Uint8Array(samples.buffer).set(data);
  return createPicture(info.width, info.height, clipGrey16ToRgb(samples));
}
