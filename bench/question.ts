import { join } from 'node:path';
import type { GenerateOptions } from '../src/generate/vision-language-model.ts';
import { loadPicture } from '../src/image/load-picture.ts';
import type { Picture } from '../src/image/picture.ts';

const PICTURE = join(import.meta.dirname, '../examples/scene.png');
const TOKENS = 24;

/** What whole models are asked. A seed makes every answer start from an empty cache. */
export const questionFor = (seesPictures: boolean): GenerateOptions => ({
  greedy: true,
  seed: 1,
  maxNewTokens: TOKENS,
  ...(seesPictures
    ? { prompt: 'Describe the image.', images: [PICTURE] }
    : { prompt: 'Write one sentence about the sea.' }),
});

/** Makes pictures that differ in their first pixel: models keep the features of those they have seen. */
export async function pictureMaker(): Promise<() => Picture> {
  const picture = await loadPicture(PICTURE);
  let made = 0;
  return () => {
    const data = new Uint8Array(picture.data);
    new DataView(data.buffer).setUint16(0, ++made);
    return { ...picture, data };
  };
}
