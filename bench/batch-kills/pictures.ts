import { encodePng } from '../../src/image/encode-node.ts';
import { createPicture } from '../../src/image/picture.ts';

const SIZE = 16;

/** A small picture that no other index has, as a PNG file. */
export function numberedPicture(index: number): Promise<Uint8Array> {
  const data = new Uint8Array(SIZE * SIZE * 3);
  for (let i = 0; i < data.length; i++) data[i] = (index * 31 + i * 7 + (i >> 4) * (index & 15)) & 255;
  data.set([index & 255, (index >> 8) & 255, 0]);
  return encodePng(createPicture(SIZE, SIZE, data));
}
