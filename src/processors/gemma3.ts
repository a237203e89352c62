import { ConfigError, invariant } from '../core/errors.ts';
import { type CropBox, crop } from '../image/crop.ts';
import { type PixelSize, parseImageProcessor } from '../image/image-processor.ts';
import { preprocess } from '../image/preprocess.ts';
import type { PictureArea } from '../image/visible-area.ts';
import { readConfig } from '../models/config-reader.ts';
import { parseGemma3Config } from '../models/gemma3/config.ts';
import { checkedPixels, fixedSizeMedium } from './fixed-size.ts';
import { panAndScan, parsePanAndScan } from './pan-and-scan.ts';
import { replacePlaceholders, tokenText } from './placeholders.ts';
import type { Medium, ProcessedMedium, Processor, ProcessorSources } from './processor.ts';

/**
 * Pictures of one size between two tokens and empty lines, and parts of them where a call asks for `do_pan_and_scan`; the
 * tokens of a picture see each other both ways. Reference: Gemma3Processor, and Gemma3Model.forward, in transformers.
 */
export function gemma3Processor(sources: ProcessorSources): Processor {
  const { model, imageProcessor } = sources;
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const { typicalLayout } = vision;
  const config = parseImageProcessor(imageProcessor.json);
  const scan = parsePanAndScan(sources.overrides ?? readConfig({}, 'processor'));
  const marks = sequenceMarks(sources);
  const tokens = tokensPerTile(sources, typicalLayout.tokens);
  const sequence = `\n\n${marks.begin}${marks.image.repeat(tokens)}${marks.end}\n\n`;

  const process = (medium: Medium): ProcessedMedium => {
    const whole = fixedSizeMedium(medium, config, model);
    const boxes = scan && medium.kind === 'image' ? panAndScan(medium.picture, scan) : [];
    if (medium.kind === 'video' || boxes.length === 0)
      return { ...whole, text: sequence.repeat(whole.layout.tokens / tokens) };
    const { picture } = medium;
    const tiles = 1 + boxes.length;
    return {
      ...whole,
      layout: { ...typicalLayout, tiles, tokens: tiles * tokens },
      text: `Here is the original image ${sequence} and here are some crops to help you see better ${boxes.map(() => sequence).join(' ')}`,
      areas: [...(whole.areas ?? []), ...boxes.map((box) => areaOf(box, picture))],
      async *tiles() {
        yield* whole.tiles();
        for (const box of boxes) yield checkedPixels(preprocess(crop(picture, box), config), typicalLayout);
      },
    };
  };
  return {
    videosAsPictures: true,
    process: (media) => media.map(process),
    expand: (text, media) =>
      replacePlaceholders(text, marks.begin, media, 'image', (medium) => medium.text ?? sequence),
    spans: (tokenIds) => runSpans(tokenIds, vision.imageTokenId),
  };
}

const areaOf = ({ left, top, width, height }: CropBox, whole: PixelSize): PictureArea => [
  left / whole.width,
  top / whole.height,
  (left + width) / whole.width,
  (top + height) / whole.height,
];

/** Texts of the tokens before, of and after a picture: as the tokenizer's files name them, else by the config's ids. */
function sequenceMarks({ tokenizer, config }: ProcessorSources) {
  const { boiTokenId, eoiTokenId, imageTokenId } = parseGemma3Config(config);
  const textOf = (name: string, id: number): string =>
    tokenizer.namedToken(`${name}_token`)?.text ?? tokenText(tokenizer, id, `${name}_token_index`);
  return {
    begin: textOf('boi', boiTokenId),
    image: textOf('image', imageTokenId),
    end: textOf('eoi', eoiTokenId),
  };
}

function tokensPerTile({ processor }: ProcessorSources, made: number): number {
  const tokens = processor?.count('image_seq_length', made) ?? made;
  if (tokens === made) return tokens;
  throw new ConfigError(
    `${processor?.where}: "image_seq_length" is ${tokens}, but the model makes ${made} tokens of a picture; expected as many.`,
  );
}

/** Each token of a row of image tokens sees that row from itself on; what lies before it, it sees as text does. */
function runSpans(tokenIds: readonly number[], imageTokenId: number): Uint32Array<ArrayBuffer> {
  const spans = new Uint32Array(2 * tokenIds.length);
  let end = tokenIds.length;
  for (let i = tokenIds.length - 1; i >= 0; i--) {
    if (tokenIds[i] === imageTokenId) spans.set([i, end], 2 * i);
    else end = i;
  }
  return spans;
}
