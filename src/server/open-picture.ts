import { AbortError, InputError } from '../core/errors.ts';
import { fetchBytes } from '../image/fetch-bytes.ts';
import { loadPicture } from '../image/load-picture.ts';
import type { Picture } from '../image/picture.ts';
import { ApiError } from './api-error.ts';

export interface PictureLimits {
  /** Where pictures may be fetched from: the open internet, private networks too, or nowhere. */
  readonly urls: 'public' | 'any' | 'none';
  readonly maxPixels: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/**
 * The picture of an `image_url`: a data URL or an http(s) address, never a path.
 * Throws ApiError; one about an address does not tell what lies behind it, which might be the server's own network.
 */
export async function openPicture(
  url: string,
  limits: PictureLimits,
  param: string,
  signal?: AbortSignal,
): Promise<Picture> {
  const bytes = url.startsWith('data:')
    ? dataUrlBytes(url, param)
    : await fetchPicture(url, limits, param, signal);
  try {
    return await loadPicture(bytes, { maxPixels: limits.maxPixels });
  } catch (cause) {
    throw new ApiError(400, `${param}: ${(cause as Error).message}`, { param, cause });
  }
}

function dataUrlBytes(url: string, param: string): Uint8Array {
  const comma = url.indexOf(',');
  const head = comma < 0 ? url.slice(0, 64) : url.slice(0, comma);
  const data = url.slice(comma + 1);
  if (comma < 0 || !/;base64$/i.test(head) || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(data)) {
    throw new ApiError(400, `${param}: is no base64 data URL; expected data:image/png;base64,...`, { param });
  }
  return Uint8Array.from(Buffer.from(data, 'base64'));
}

async function fetchPicture(
  url: string,
  { urls, maxBytes, timeoutMs }: PictureLimits,
  param: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new ApiError(400, `${param}: is no address of a picture; expected a data URL or http(s)://...`, {
      param,
    });
  }
  if (urls === 'none') {
    throw new ApiError(400, `${param}: this server fetches nothing; expected a data URL.`, { param });
  }
  try {
    const allowPrivateAddresses = urls === 'any';
    return await fetchBytes(new URL(url), {
      maxBytes,
      timeoutMs,
      allowPrivateAddresses,
      ...(signal ? { signal } : {}),
    });
  } catch (cause) {
    if (cause instanceof AbortError || !(cause instanceof InputError)) throw cause;
    throw new ApiError(
      400,
      `${param}: cannot be fetched; expected a public address that gives a picture of at most ${maxBytes} bytes within ${timeoutMs / 1000} s. A data URL works always.`,
      { param, cause },
    );
  }
}
