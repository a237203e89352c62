import { invariant } from '../core/errors.ts';
import type { ImageProcessorConfig } from '../image/image-processor.ts';
import type { Model } from '../models/model.ts';
import { createChatTemplate } from '../text/chat-template.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { encodePrompt } from '../text/prompt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { fixedSizeMedium } from './fixed-size.ts';
import { replacePlaceholders } from './placeholders.ts';
import type { Processor } from './processor.ts';

export interface ComposedProcessorOptions {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly image: ImageProcessorConfig;
  /** What stands for a picture in a prompt's text. */
  readonly imageToken: string;
  /** The language model's own template, which knows no pictures; null where it has none. */
  readonly chatTemplate: string | null;
}

/**
 * The processor of an encoder, a projector and a language model that were not made for each other: a picture is written
 * as its image tokens and a new line before what is said about it, as in LLaVA 1.5, and the language model's template
 * sees text alone.
 */
export function composedProcessor(options: ComposedProcessorOptions): Processor {
  const { model, tokenizer, image, imageToken, chatTemplate } = options;
  const layout = model.vision?.typicalLayout;
  invariant(layout, `${model.modelType} has no vision tower`);
  const template = chatTemplate === null ? undefined : createChatTemplate(chatTemplate, tokenizer);
  const spelled = (part: ContentPart): string => (part.type === 'text' ? part.text : `${imageToken}\n`);
  const asText = ({ role, content }: Message): { readonly role: string; readonly content: string } => ({
    role,
    content: typeof content === 'string' ? content : content.map(spelled).join(''),
  });
  return {
    videosAsPictures: true,
    process: (media) => media.map((medium) => fixedSizeMedium(medium, image, model)),
    render(messages) {
      const texts = messages.map(asText);
      return template ? template.render(texts) : texts.map(({ content }) => content).join('\n');
    },
    expand: (text, media) =>
      replacePlaceholders(text, imageToken, media, 'image', ({ layout: { tokens } }) =>
        imageToken.repeat(tokens),
      ),
    // A template may have written BOS by itself.
    encode: (text) => encodePrompt(tokenizer, text, 'multimodal-chat'),
  };
}
