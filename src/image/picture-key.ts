import type { Picture } from './picture.ts';

const known = new WeakMap<Picture, Promise<string>>();

/** Equal for pictures of equal size and pixels: a SHA-256, worked out once per object. */
export function pictureKey(picture: Picture): Promise<string> {
  const key = known.get(picture) ?? hash(picture);
  known.set(picture, key);
  return key;
}

async function hash({ width, height, data }: Picture): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>);
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${width}x${height}:${hex}`;
}
