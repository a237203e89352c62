import { ConfigError, invariant } from '../core/errors.ts';
import { squareTiles } from '../image/crop.ts';
import { type PixelFields, type PixelSize, parsePixelFields } from '../image/image-processor.ts';
import { toPixelValues } from '../image/preprocess.ts';
import { resize } from '../image/resize.ts';
import { gridAreas, WHOLE_AREA } from '../image/visible-area.ts';
import { type ConfigReader, withDefaults } from '../models/config-reader.ts';
import { parseSmolVlmConfig, tokensPerTile } from '../models/smolvlm/config.ts';
import { mediaOf } from '../text/messages.ts';
import { videoRefused } from './fixed-size.ts';
import { ofKind, replacePlaceholders, tokenText } from './placeholders.ts';
import type { Medium, ProcessedMedium, Processor, ProcessorSources } from './processor.ts';
import { parseSmolVlmVideo, smolVlmVideo, VIDEO_CHAT_TEMPLATE } from './smolvlm-video.ts';
import { pixelEdge, readSize, sizeInTiles } from './split-size.ts';

/** What SmolVLMImageProcessor and Idefics3ImageProcessor take where a file says nothing. */
const IMAGE_DEFAULTS = {
  resample: 1,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  size: { longest_edge: 4 * 364 },
  max_image_size: { longest_edge: 364 },
};

/** The processors' own default of `image_seq_len`. */
const DEFAULT_TOKENS_PER_TILE = 169;

/** How a picture is cut. */
interface Splitting {
  readonly pixels: PixelFields;
  /** Size of a picture of another size before it is cut. */
  readonly sizeOf: (size: PixelSize) => PixelSize;
  readonly splits: boolean;
  /** Edge of a tile. */
  readonly side: number;
}

/**
 * Pictures cut into square tiles row by row, the whole one as a last tile; each tile's place is told in words around its
 * tokens. Reference: SmolVLMProcessor and Idefics3Processor in transformers.
 */
export function smolVlmProcessor(sources: ProcessorSources): Processor {
  const { model, tokenizer } = sources;
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const splitting = parseSplitting(sources.imageProcessor);
  const tileTokens = checkedTokensPerTile(sources, splitting.side);
  const imageToken = tokenText(tokenizer, vision.imageTokenId, 'image_token_id');
  const tokens = imageToken.repeat(tileTokens);
  const video = sources.videoProcessor ?? sources.imageProcessor;
  return {
    process: (media) =>
      media.map((medium) => {
        if (medium.kind === 'image') return splitPicture(medium, splitting, tokens, tileTokens);
        if (model.modelType !== 'smolvlm') throw videoRefused();
        const frames = parseSmolVlmVideo(video, splitting.side);
        return smolVlmVideo(medium, frames, pictureText(undefined, tokens), tileTokens);
      }),
    templateFor: (messages) =>
      mediaOf(messages).some(({ type }) => type === 'video') ? VIDEO_CHAT_TEMPLATE : undefined,
    expand(text, media) {
      // Pictures first: what stands for a video holds image tokens.
      const withPictures = replacePlaceholders(text, imageToken, ofKind(media, 'image'), 'image', textOf);
      return replacePlaceholders(withPictures, VIDEO_TOKEN, ofKind(media, 'video'), 'video', textOf);
    },
  };
}

const VIDEO_TOKEN = '<video>';

const textOf = ({ text }: ProcessedMedium): string => text ?? '';

function parseSplitting(imageProcessor: ConfigReader): Splitting {
  const json = withDefaults(imageProcessor, IMAGE_DEFAULTS);
  return {
    pixels: parsePixelFields(json.json),
    sizeOf: json.boolean('do_resize', true) ? readSize(json.object('size')) : (same) => same,
    splits: json.boolean('do_image_splitting', true),
    side: pixelEdge(json.object('max_image_size'), 'longest_edge'),
  };
}

/** Tokens that stand for a tile, on which the tower and the processor must agree. */
function checkedTokensPerTile({ config, processor, imageProcessor }: ProcessorSources, side: number): number {
  const smolVlm = parseSmolVlmConfig(config);
  const { vision, scaleFactor } = smolVlm;
  const features = tokensPerTile(smolVlm, side);
  if (features === undefined) {
    throw new ConfigError(
      `${imageProcessor.where}: max_image_size ${side} makes tiles of ${Math.floor(side / vision.patchSize)} patches a side, which scale_factor ${scaleFactor} of config.json does not divide; expected a multiple. The tower was made for tiles of ${vision.imageSize} pixels.`,
    );
  }
  const tokens = processor?.count('image_seq_len', DEFAULT_TOKENS_PER_TILE) ?? DEFAULT_TOKENS_PER_TILE;
  if (tokens !== features) {
    throw new ConfigError(
      `${processor?.where ?? 'processor_config.json'}: image_seq_len is ${tokens}, but a tile of ${side}x${side} pixels gives ${features} image features; expected as many tokens as features. Check image_seq_len and max_image_size against vision_config and scale_factor of config.json.`,
    );
  }
  return tokens;
}

function splitPicture(
  { picture, key }: Extract<Medium, { kind: 'image' }>,
  { sizeOf, splits, side, pixels }: Splitting,
  tokens: string,
  tileTokens: number,
): ProcessedMedium {
  const first = sizeOf(picture);
  const whole = splits ? sizeInTiles(first, side) : { height: side, width: side };
  const isCut = whole.height > side || whole.width > side;
  const grid = [whole.height / side, whole.width / side] as const;
  const tiles = isCut ? grid[0] * grid[1] + 1 : 1;
  return {
    kind: 'image',
    key,
    layout: {
      tile: { kind: 'image', shape: [3, side, side] },
      tiles,
      tokens: tiles * tileTokens,
      ...(isCut ? { tileGrid: grid } : {}),
    },
    areas: isCut ? [...gridAreas(grid), WHOLE_AREA] : [WHOLE_AREA],
    text: pictureText(isCut ? grid : undefined, tokens),
    *tiles() {
      const resized = resize(picture, first.width, first.height, pixels.filter);
      const even = resize(resized, whole.width, whole.height, pixels.filter);
      if (isCut) for (const tile of squareTiles(even, side)) yield toPixelValues(tile, pixels).pixelValues;
      yield toPixelValues(resize(even, side, side, pixels.filter), pixels).pixelValues;
    },
  };
}

const FAKE_TOKEN = '<fake_token_around_image>';

/** What stands for a picture: its tiles row by row, then the whole. `tokens` are the image tokens of one tile. */
function pictureText(grid: readonly [rows: number, columns: number] | undefined, tokens: string): string {
  const whole = `${FAKE_TOKEN}<global-img>${tokens}${FAKE_TOKEN}`;
  if (!grid) return whole;
  let text = '';
  for (let row = 1; row <= grid[0]; row++) {
    for (let column = 1; column <= grid[1]; column++) {
      text += `${FAKE_TOKEN}<row_${row}_col_${column}>${tokens}`;
    }
    text += '\n';
  }
  return `${text}\n${whole}`;
}
