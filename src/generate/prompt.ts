import { ConfigError, InputError } from '../core/errors.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import type { Picture } from '../image/picture.ts';
import { preprocess } from '../image/preprocess.ts';
import type { VisionInfo } from '../models/model.ts';
import { createChatTemplate } from '../text/chat-template.ts';
import { expandImageTokens, imageFeatureRows } from '../text/image-tokens.ts';
import { imagesOf, type Message } from '../text/messages.ts';
import { encodePrompt, type PromptKind } from '../text/prompt.ts';
import type { CheckpointAssets } from './checkpoint-assets.ts';
import type { GenerateOptions } from './vision-language-model.ts';

/** A prompt as the model takes it. */
export interface Prompt {
  /** Ids with one image token per image feature. */
  readonly tokenIds: readonly number[];
  /** For each token its row in the image features, or -1 for text. */
  readonly imageIndex: Int32Array;
  /** Of each picture, [3, H, W]. */
  readonly pixelValues: readonly Float32Array[];
}

type PromptOptions = Pick<GenerateOptions, 'messages' | 'prompt' | 'raw' | 'images'>;

/**
 * Renders the template, tokenizes, loads and preprocesses the pictures, and expands their placeholders.
 * Throws InputError when pictures and placeholders differ in number, or a language model is given a picture.
 */
export async function buildPrompt(assets: CheckpointAssets, options: PromptOptions): Promise<Prompt> {
  const { model, tokenizer } = assets;
  const { text, kind, images } = renderPrompt(assets, options);
  const ids = encodePrompt(tokenizer, text, kind);
  const { vision } = model;
  if (!vision) {
    if (images.length > 0) {
      throw new InputError(
        `prompt: ${images.length} pictures were given, but ${model.modelType} is a language model; expected none. Use a vision language model.`,
      );
    }
    return { tokenIds: ids, imageIndex: new Int32Array(ids.length).fill(-1), pixelValues: [] };
  }
  const counts = images.map(() => vision.tokensPerImage);
  const tokenIds = expandImageTokens(ids, vision.imageTokenId, counts);
  const imageIndex = imageFeatureRows(tokenIds, vision.imageTokenId, images.length * vision.tokensPerImage);
  const pictures = await Promise.all(images.map((image) => loadPicture(image)));
  return { tokenIds, imageIndex, pixelValues: pictures.map((picture) => pixelsOf(picture, assets, vision)) };
}

interface RenderedPrompt {
  readonly text: string;
  readonly kind: PromptKind;
  readonly images: readonly PictureSource[];
}

function renderPrompt(assets: CheckpointAssets, options: PromptOptions): RenderedPrompt {
  const { messages, prompt, raw = false, images = [] } = options;
  if ((messages === undefined) === (prompt === undefined)) {
    throw new InputError(
      `prompt: ${messages ? 'both messages and' : 'neither messages nor'} a prompt were given; expected one of them.`,
    );
  }
  if (prompt !== undefined && raw) return { text: prompt, kind: 'plain', images };
  const conversation = messages ?? [questionAbout(images, prompt ?? '')];
  const { chatTemplate, tokenizer, model } = assets;
  if (chatTemplate === null && prompt !== undefined && images.length === 0)
    return { text: prompt, kind: 'plain', images };
  return {
    text: createChatTemplate(chatTemplate, tokenizer).render(conversation),
    kind: model.vision ? 'multimodal-chat' : 'chat',
    images: fillImages(conversation, images),
  };
}

/** A user turn that shows the pictures, then asks. */
const questionAbout = (images: readonly PictureSource[], question: string): Message => ({
  role: 'user',
  content:
    images.length === 0
      ? question
      : [
          ...images.map((image) => ({ type: 'image' as const, image })),
          { type: 'text' as const, text: question },
        ],
});

/** The conversation's pictures in order: a part without one takes the next of `images`. */
function fillImages(messages: readonly Message[], images: readonly PictureSource[]): PictureSource[] {
  const parts = imagesOf(messages);
  const open = parts.filter((image) => image === undefined).length;
  const given = parts.length - open === parts.length ? [] : images;
  if (open !== given.length) {
    throw new InputError(
      `prompt: the messages leave ${open} pictures open and ${given.length} were given; expected as many.`,
    );
  }
  let next = 0;
  return parts.map((image) => (image ?? given[next++]) as PictureSource);
}

function pixelsOf(picture: Picture, { imageProcessor }: CheckpointAssets, vision: VisionInfo): Float32Array {
  if (!imageProcessor)
    throw new ConfigError(
      'prompt: the checkpoint has no image processor config; expected preprocessor_config.json.',
    );
  const { pixelValues, height, width } = preprocess(picture, imageProcessor);
  const [, towerHeight, towerWidth] = vision.imageShape;
  if (height !== towerHeight || width !== towerWidth) {
    throw new ConfigError(
      `prompt: the image processor gives ${height}x${width} pixels, the vision tower takes ${towerHeight}x${towerWidth}; expected the same. Check preprocessor_config.json against config.json.`,
    );
  }
  return pixelValues;
}
