import { ConfigError, invariant } from '../core/errors.ts';
import { type CropBox, crop } from '../image/crop.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess } from '../image/preprocess.ts';
import { boxArea } from '../image/visible-area.ts';
import type { ConfigReader } from '../models/config-reader.ts';
import { patchesPerSide } from '../models/llava/tower.ts';
import { packingOf } from '../models/llava-next/layout.ts';
import {
  ONEVISION_PINPOINTS,
  parseLlavaOnevisionConfig,
  readMaxTiles,
} from '../models/llava-onevision/config.ts';
import { frameSide } from '../models/llava-onevision/model.ts';
import type { VisionLayout } from '../models/model.ts';
import { type AnyresProcessor, anyresPicture, parseAnyres, pictureLayout } from './anyres.ts';
import { checkedPixels } from './fixed-size.ts';
import { CLIP_PIXELS, droppedByProcessor } from './llava-next.ts';
import { tokenWriter } from './placeholders.ts';
import type { Medium, ProcessedMedium, Processor, ProcessorSources } from './processor.ts';
import { checkTokenCount } from './token-count.ts';
import { framesOfVideo, parseVideoProcessor } from './video-frames.ts';

/** Of LlavaOnevisionImageProcessor; its videos' are the same but for the tiles. */
const ONEVISION_DEFAULTS = {
  ...CLIP_PIXELS,
  size: { height: 384, width: 384 },
  image_grid_pinpoints: ONEVISION_PINPOINTS,
};

/**
 * One picture whole and in tiles, several whole and alone, a video as frames. Which pictures belong together is
 * `batch_num_images`, as the reference calls it: all of a conversation unless an override of that name tells otherwise.
 * Reference: LlavaOnevisionProcessor in transformers.
 */
export function llavaOnevisionProcessor(sources: ProcessorSources): Processor {
  const { model, tokenizer, imageProcessor, processor } = sources;
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const config = parseLlavaOnevisionConfig(sources.config);
  const { tower, maxTiles } = config;
  const side = patchesPerSide(tower);
  const anyres = parseAnyres(imageProcessor, ONEVISION_DEFAULTS, config);
  const frames = parseVideoProcessor(sources.videoProcessor ?? imageProcessor, ONEVISION_DEFAULTS);
  const tileShape = vision.typicalLayout.tile.shape;
  const process = (medium: Medium, isAlone: boolean): ProcessedMedium => {
    if (medium.kind === 'video') {
      return framesOfVideo(medium, frames, tileShape, (count) => count * frameSide(side) ** 2 + 1);
    }
    if (isAlone)
      return anyresPicture(medium, anyres, pictureLayout(medium.picture, anyres, config, maxTiles));
    const { width, height } = medium.picture;
    const tile = { kind: 'image', shape: tileShape } as const;
    return wholePicture(medium, anyres, {
      tile,
      tiles: 1,
      tokens: side ** 2 + 1,
      imageSize: [height, width],
    });
  };
  return {
    process(media) {
      const alone = new Set(picturesAlone(ofImages(media), imageProcessor));
      return media.map((medium) => {
        const processed = process(medium, alone.has(medium));
        if (processor) checkTokens(processor, processed.layout);
        return processed;
      });
    },
    expand: tokenWriter(vision, tokenizer),
  };
}

const ofImages = (media: readonly Medium[]): readonly Medium[] =>
  media.filter(({ kind }) => kind === 'image');

/** The pictures that are the only ones of their conversation. Throws ConfigError where an override counts others. */
function picturesAlone(pictures: readonly Medium[], imageProcessor: ConfigReader): readonly Medium[] {
  if (pictures.length === 0) return [];
  const groups = imageProcessor.integers('batch_num_images', [pictures.length]);
  if (groups.reduce((sum, count) => sum + count, 0) !== pictures.length) {
    throw new ConfigError(
      `processor: batch_num_images is ${groups.join(', ')} for ${pictures.length} pictures; expected counts that add up to them.`,
    );
  }
  const sizes = groups.flatMap((count) => new Array<number>(count).fill(count));
  return pictures.filter((_, i) => sizes[i] === 1);
}

/** One of several pictures: made square by its mean colour, not cut. */
function wholePicture(
  { picture, key }: Extract<Medium, { kind: 'image' }>,
  { tile }: AnyresProcessor,
  layout: VisionLayout,
): ProcessedMedium {
  const colour = (tile.normalize?.mean ?? CLIP_PIXELS.image_mean).map((mean) => Math.trunc(mean * 255));
  const square = squareAround(picture);
  return {
    kind: 'image',
    key,
    layout,
    areas: [boxArea(square, { left: -square.left, top: -square.top }, picture)],
    *tiles() {
      yield checkedPixels(preprocess(squared(picture, square, colour), tile), layout);
    },
  };
}

/** The smallest square with a picture in its middle, the odd row below or right of it. */
function squareAround({ width, height }: Picture): CropBox {
  const edge = Math.max(width, height);
  const before = (size: number): number => -Math.floor((edge - size) / 2);
  return { left: before(width), top: before(height), width: edge, height: edge };
}

/** The picture in a square, `colour` around it. */
function squared(picture: Picture, square: CropBox, colour: readonly number[]): Picture {
  const { data, width, height } = crop(picture, square);
  if (width === picture.width && height === picture.height) return picture;
  const isOutside = (at: number, size: number): boolean => at < 0 || at >= size;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (isOutside(x + square.left, picture.width) || isOutside(y + square.top, picture.height)) {
        data.set(colour, (y * width + x) * 3);
      }
    }
  }
  return { width, height, data };
}

/** Reference: LlavaOnevisionProcessor.replace_image_token and replace_video_token. */
function checkTokens(
  processor: ConfigReader,
  { tile, tiles, tileGrid, imageSize, tokens }: VisionLayout,
): void {
  if (!processor.has('num_image_tokens')) return;
  const perTile = processor.count('num_image_tokens');
  const side = Math.floor(Math.sqrt(perTile));
  if (tile.kind === 'video') {
    checkTokenCount(processor.where, `${tiles} frames`, tiles * frameSide(side) ** 2 + 1, tokens);
    return;
  }
  const size = imageSize ?? [0, 0];
  const cut = tileGrid ? packingOf(side, size, tileGrid, readMaxTiles(processor)).tokens - side ** 2 : 1;
  const counted = perTile + cut - droppedByProcessor(processor);
  checkTokenCount(processor.where, `a picture of ${size.join('x')}`, counted, tokens);
}
