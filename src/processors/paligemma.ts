import { ConfigError, InputError, invariant } from '../core/errors.ts';
import { parseImageProcessor } from '../image/image-processor.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { fixedSizeMedium } from './fixed-size.ts';
import { replacePlaceholders, tokenText } from './placeholders.ts';
import type { Processor, ProcessorSources } from './processor.ts';

/**
 * All pictures' tokens, BOS, the question and a line end, which the decoder reads both ways as one prefix (Beyer et al.
 * 2024, section 3.2.2). Reference: PaliGemmaProcessor and PaliGemmaModel.forward in transformers.
 */
export function paliGemmaProcessor({ model, tokenizer, imageProcessor }: ProcessorSources): Processor {
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  const { typicalLayout } = vision;
  const config = parseImageProcessor(imageProcessor.json);
  const imageToken = tokenText(tokenizer, vision.imageTokenId, 'image_token_index');
  const bos = tokenizer.special.bos?.text;
  if (bos === undefined) {
    throw new ConfigError(
      'tokenizer_config.json: names no "bos_token" of the vocabulary; expected the token that parts pictures from text.',
    );
  }
  const tokens = imageProcessor.count('image_seq_length', typicalLayout.tokens);
  if (tokens !== typicalLayout.tokens) {
    throw new ConfigError(
      `${imageProcessor.where}: "image_seq_length" is ${tokens}, but the vision tower has ${typicalLayout.tokens} patches; expected as many.`,
    );
  }
  return {
    videosAsPictures: true,
    process: (media) => media.map((medium) => fixedSizeMedium(medium, config, model)),
    render: (messages) =>
      questionOf(messages)
        .map((part) => textOf(part, imageToken))
        .join(''),
    expand(text, media) {
      // A question without placeholders comes after all its pictures.
      const placed = text.includes(imageToken) ? text : imageToken.repeat(media.length) + text;
      const end = placed.includes(imageToken) ? placed.lastIndexOf(imageToken) + imageToken.length : 0;
      const prompt = `${placed.slice(0, end)}${bos}${placed.slice(end)}\n`;
      return replacePlaceholders(prompt, imageToken, media, 'image', ({ layout }) =>
        imageToken.repeat(layout.tokens),
      );
    },
    encode: (text) => tokenizer.encode(text, { addSpecialTokens: false }),
    spans: (tokenIds) => Uint32Array.from(tokenIds.flatMap(() => [0, tokenIds.length])),
  };
}

/** The one turn there can be. Throws InputError for a conversation of more. */
function questionOf(messages: readonly Message[]): readonly ContentPart[] {
  const [message] = messages;
  if (message?.role !== 'user' || messages.length > 1) {
    throw new InputError(
      `prompt: PaliGemma answers one message and was given ${messages.map(({ role }) => role).join(', ') || 'none'}; expected one of the user. Ask anew, without the turns before.`,
    );
  }
  const { content } = message;
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** A video stands where its frames will, as a picture does. */
const textOf = (part: ContentPart, imageToken: string): string =>
  part.type === 'text' ? part.text : imageToken;
