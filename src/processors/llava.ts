import { invariant } from '../core/errors.ts';
import { parseImageProcessor } from '../image/image-processor.ts';
import { fixedSizeMedium } from './fixed-size.ts';
import { replacePlaceholders, tokenText } from './placeholders.ts';
import type { Processor, ProcessorSources } from './processor.ts';

/** Pictures and frames of one size, each placeholder repeated once per feature. Reference: LlavaProcessor in transformers. */
export function llavaProcessor({ model, tokenizer, imageProcessor }: ProcessorSources): Processor {
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const config = parseImageProcessor(imageProcessor.json);
  const imageToken = tokenText(tokenizer, vision.imageTokenId, 'image_token_index');
  return {
    videosAsPictures: true,
    process: (media) => media.map((medium) => fixedSizeMedium(medium, config, model)),
    expand: (text, media) =>
      replacePlaceholders(text, imageToken, media, 'image', ({ layout }) => imageToken.repeat(layout.tokens)),
  };
}
