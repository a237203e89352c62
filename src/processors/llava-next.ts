import { invariant } from '../core/errors.ts';
import type { ConfigReader } from '../models/config-reader.ts';
import { patchesPerSide } from '../models/llava/tower.ts';
import {
  NEXT_PINPOINTS,
  parseLlavaNextConfig,
  parseLlavaNextVideoConfig,
} from '../models/llava-next/config.ts';
import { type CutLayout, packingOf } from '../models/llava-next/layout.ts';
import { pooledSide } from '../models/llava-next/pool.ts';
import type { VisionLayout } from '../models/model.ts';
import { anyresPicture, parseAnyres, pictureLayout } from './anyres.ts';
import { videoRefused } from './fixed-size.ts';
import { tokenWriter } from './placeholders.ts';
import type { Processor, ProcessorSources } from './processor.ts';
import { checkTokenCount } from './token-count.ts';
import { framesOfVideo, parseVideoProcessor } from './video-frames.ts';

/** CLIP's filter, means and deviations, which the processors of all LLaVA-NeXT's descendants take unless told. */
export const CLIP_PIXELS = {
  resample: 3,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};

/** Of LlavaNextImageProcessor; its videos' are the same but for the tiles. */
const NEXT_DEFAULTS = {
  ...CLIP_PIXELS,
  size: { shortest_edge: 224 },
  crop_size: { height: 224, width: 224 },
  do_center_crop: true,
  image_grid_pinpoints: NEXT_PINPOINTS,
};

/**
 * A picture whole and in tiles; a video as frames. Reference: LlavaNextProcessor and LlavaNextVideoProcessor in
 * transformers.
 */
export function llavaNextProcessor(sources: ProcessorSources): Processor {
  const { model, tokenizer, imageProcessor, processor } = sources;
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const hasVideo = vision.videoTokenId !== undefined;
  const config = hasVideo ? parseLlavaNextVideoConfig(sources.config) : parseLlavaNextConfig(sources.config);
  const { tower, video } = config;
  const anyres = parseAnyres(imageProcessor, NEXT_DEFAULTS, config);
  const frames = parseVideoProcessor(sources.videoProcessor ?? imageProcessor, NEXT_DEFAULTS);
  const pooled = video ? pooledSide(patchesPerSide(tower), video) ** 2 : 0;
  return {
    process: (media) =>
      media.map((medium) => {
        if (medium.kind === 'image') {
          const layout = pictureLayout(medium.picture, anyres, config, null);
          checkPictureTokens(processor, layout);
          return anyresPicture(medium, anyres, layout);
        }
        if (!video) throw videoRefused();
        const shape = vision.typicalLayout.tile.shape;
        const processed = framesOfVideo(medium, frames, shape, (count) => count * pooled);
        checkVideoTokens(processor, processed.layout);
        return processed;
      }),
    expand: tokenWriter(vision, tokenizer),
  };
}

/** Files of transformers before 4.46 say nothing of patches, and leave counting to the model. */
const patchesOf = (processor: ConfigReader | undefined, edge: number): number | undefined =>
  processor?.has('patch_size') ? Math.floor(edge / processor.count('patch_size')) : undefined;

/** Reference: LlavaNextProcessor._get_number_of_features. */
function checkPictureTokens(processor: ConfigReader | undefined, layout: CutLayout): void {
  const { imageSize, tileGrid, tokens, tile } = layout;
  const side = patchesOf(processor, tile.shape[1] ?? 0);
  if (!processor || side === undefined) return;
  const dropped = droppedByProcessor(processor);
  const additional = processor.integer('num_additional_image_tokens', 0);
  const counted = packingOf(side, imageSize, tileGrid, null).tokens + additional - dropped;
  checkTokenCount(processor.where, `a picture of ${imageSize.join('x')}`, counted, tokens);
}

/** A strategy of "default" counts one token less. */
export const droppedByProcessor = (processor: ConfigReader): number =>
  processor.has('vision_feature_select_strategy') &&
  processor.choice('vision_feature_select_strategy', ['default', 'full']) === 'default'
    ? 1
    : 0;

/** Reference: LlavaNextVideoProcessor.replace_video_token, which reckons with squares of 2 by 2 whatever the model does. */
function checkVideoTokens(processor: ConfigReader | undefined, { tile, tiles, tokens }: VisionLayout): void {
  const side = patchesOf(processor, tile.shape[1] ?? 0);
  if (!processor || side === undefined) return;
  checkTokenCount(processor.where, `${tiles} frames`, Math.floor(side ** 2 / 4) * tiles, tokens);
}
