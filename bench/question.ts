import { join } from 'node:path';
import type { GenerateOptions } from '../src/generate/vision-language-model.ts';

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
