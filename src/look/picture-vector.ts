import { invariant } from '../core/errors.ts';
import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import type { PictureSource } from '../image/load-picture.ts';

/** A picture as one vector of a model that has no embedding of pictures: the mean of what its decoder is given. */
export async function pictureVector(
  model: VisionLanguageModel,
  image: PictureSource,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Float32Array> {
  const features = (await model.capture(['imageFeatures'], { image, signal })).get('imageFeatures');
  invariant(features, 'the features were captured');
  const [rows = 1, width = 0] = features.shape;
  return Float32Array.from({ length: width }, (_, column) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += features.values[row * width + column] ?? Number.NaN;
    return sum / rows;
  });
}
