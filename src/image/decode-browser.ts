import { imageSize } from 'image-size';
import { InputError, UnsupportedError } from '../core/errors.ts';
import { createPicture, type Picture } from './picture.ts';
import { checkPixelCount, corruptPicture, type DecodeOptions, type PictureFormat } from './picture-file.ts';
import { turnUpright, webpOrientation } from './webp-orientation.ts';

/**
 * Decodes with createImageBitmap, with no colour conversion and upright; see decodePicture. Chromium does not turn
 * WebP, so browsers are kept from it and it is turned here. 16-bit grey comes scaled to 8 bits.
 */
export async function decodeInBrowser(
  bytes: Uint8Array,
  format: PictureFormat,
  options: DecodeOptions,
): Promise<Picture> {
  checkHeader(bytes, options);
  const blob = new Blob([new Uint8Array(bytes)], { type: `image/${format}` });
  const bitmap = await createImageBitmap(blob, {
    colorSpaceConversion: 'none',
    imageOrientation: format === 'webp' ? 'none' : 'from-image',
    premultiplyAlpha: 'none',
  }).catch((cause: unknown) => {
    throw corruptPicture(options, cause);
  });
  try {
    const picture = createPicture(bitmap.width, bitmap.height, readRgb(bitmap));
    const orientation = format === 'webp' ? webpOrientation(bytes) : 1;
    return orientation === 1 ? picture : turnUpright(picture, orientation);
  } finally {
    bitmap.close();
  }
}

function checkHeader(bytes: Uint8Array, options: DecodeOptions): void {
  try {
    const { width, height } = imageSize(bytes);
    checkPixelCount(width, height, options);
  } catch (cause) {
    throw cause instanceof InputError ? cause : corruptPicture(options, cause);
  }
}

/** A 2D canvas premultiplies alpha, which loses colour: it serves opaque pictures, WebGL the others. */
function readRgb(bitmap: ImageBitmap): Uint8Array {
  const rgba = readWith2d(bitmap);
  return dropAlpha(isOpaque(rgba) ? rgba : readWithWebGl(bitmap));
}

function readWith2d(bitmap: ImageBitmap): Uint8Array | Uint8ClampedArray {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true, colorSpace: 'srgb' });
  if (!context) throw new UnsupportedError('decode: this browser gives no 2D canvas to read pictures with.');
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
}

function readWithWebGl(bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl)
    throw new UnsupportedError(
      'decode: a picture with transparency needs WebGL 2 to be read exactly, and this browser gives none. Remove its alpha channel first.',
    );
  try {
    const maxSize = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
    if (width > maxSize || height > maxSize) {
      throw new UnsupportedError(
        `decode: a picture with transparency of ${width}x${height} is larger than this browser's WebGL textures; expected edges up to ${maxSize}. Shrink it first.`,
      );
    }
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(
      gl.FRAMEBUFFER,
      gl.COLOR_ATTACHMENT0,
      gl.TEXTURE_2D,
      gl.getParameter(gl.TEXTURE_BINDING_2D) as WebGLTexture,
      0,
    );
    // Texture rows keep the bitmap's order, so that the first row read is the top one.
    const rgba = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return rgba;
  } finally {
    // Browsers allow few live contexts and collect them late.
    gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

function isOpaque(rgba: Uint8Array | Uint8ClampedArray): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 255) return false;
  return true;
}

function dropAlpha(rgba: Uint8Array | Uint8ClampedArray): Uint8Array {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  let write = 0;
  for (let read = 0; read < rgba.length; read += 4) {
    rgb[write++] = rgba[read] as number;
    rgb[write++] = rgba[read + 1] as number;
    rgb[write++] = rgba[read + 2] as number;
  }
  return rgb;
}
