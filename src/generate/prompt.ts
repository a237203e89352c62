import { InputError } from '../core/errors.ts';
import type { PictureSource } from '../image/load-picture.ts';
import { imageTokensOf, type VisionInfo } from '../models/model.ts';
import type { Medium, ProcessedMedium, Processor } from '../processors/processor.ts';
import { createChatTemplate } from '../text/chat-template.ts';
import { imageFeatureRows } from '../text/image-tokens.ts';
import { type MediaPart, type Message, mediaOf } from '../text/messages.ts';
import { encodePrompt, type PromptKind } from '../text/prompt.ts';
import type { CheckpointAssets } from './checkpoint-assets.ts';
import { openMedium } from './media.ts';
import type { GenerateOptions } from './vision-language-model.ts';

/** A prompt as the model takes it. */
export interface Prompt {
  /** Ids with one image token per image feature. */
  readonly tokenIds: readonly number[];
  /** For each token its row in the features of all media in a row, or -1 for text. */
  readonly imageIndex: Int32Array<ArrayBuffer>;
  readonly media: readonly ProcessedMedium[];
  /** Position of each token along each axis. */
  readonly positions: readonly Int32Array[];
  /** Of the token after the prompt. */
  readonly nextPosition: number;
  /** Keys each token sees besides those before it, [S, 2]. */
  readonly spans?: Uint32Array<ArrayBuffer> | undefined;
}

export type PromptOptions = Pick<GenerateOptions, 'messages' | 'prompt' | 'raw' | 'images' | 'processor'>;

/**
 * Renders the template, opens pictures and videos, puts their tokens in place of their placeholders, and tokenizes.
 * Throws InputError when media and placeholders differ in number, or a language model is given a picture.
 */
export async function buildPrompt(assets: CheckpointAssets, options: PromptOptions): Promise<Prompt> {
  const { model, tokenizer } = assets;
  const processor = assets.createProcessor?.(options.processor);
  const { text, kind, media: parts } = renderPrompt(assets, processor, options);
  if (!processor || !model.vision) {
    if (parts.length > 0) {
      throw new InputError(
        `prompt: ${parts.length} pictures were given, but ${model.modelType} is a language model; expected none. Use a vision language model.`,
      );
    }
    return textPrompt(encodePrompt(tokenizer, text, kind));
  }
  const opened = await Promise.all(parts.map(openMedium));
  checkPooling(opened, processor, model.modelType);
  const media = processor.process(opened);
  const expanded = processor.expand(text, media);
  const tokenIds = processor.encode?.(expanded, kind) ?? encodePrompt(tokenizer, expanded, kind);
  checkMediaFit(tokenIds.length, media, model.text.maxPositionEmbeddings);
  return promptOfIds(tokenIds, media, processor, model.vision);
}

/** Throws InputError where frames are to be pooled by a family that takes them in its own way. */
function checkPooling(opened: readonly Medium[], processor: Processor, modelType: string): void {
  for (const medium of opened) {
    if (processor.videosAsPictures || medium.kind === 'image' || !medium.pooling) continue;
    throw new InputError(
      `prompt: a video's frames are to be pooled by ${medium.pooling.kind}, but ${modelType} takes videos in a way of its own; expected no pooling. Take fewer frames.`,
    );
  }
}

/** Throws InputError where pictures and videos make a prompt longer than the context. */
function checkMediaFit(tokens: number, media: readonly ProcessedMedium[], contextLength: number): void {
  if (media.length === 0 || tokens < contextLength) return;
  const mediaTokens = imageTokensOf(media);
  throw new InputError(
    `prompt: ${tokens} tokens, ${mediaTokens} of them for ${media.length} pictures or videos, do not fit the model's context of ${contextLength}; expected fewer than that. Use fewer or smaller pictures, or fewer frames of a video, or pool them.`,
  );
}

/** The prompt of ids in which image tokens stand already. Throws InputError where they do not fit the media. */
export function promptOfIds(
  tokenIds: readonly number[],
  media: readonly ProcessedMedium[],
  processor: Processor,
  vision: VisionInfo,
): Prompt {
  const positions = processor.positions?.(tokenIds, media);
  return {
    ...textPrompt(tokenIds),
    imageIndex: imageFeatureRows(tokenIds, mediaTokens(media, vision)),
    media,
    ...(positions ? { positions: positions.axes, nextPosition: positions.next } : {}),
    spans: processor.spans?.(tokenIds, media),
  };
}

/** Ids without pictures. */
export const textPrompt = (tokenIds: readonly number[]): Prompt => ({
  tokenIds,
  imageIndex: new Int32Array(tokenIds.length).fill(-1),
  media: [],
  positions: [Int32Array.from(tokenIds, (_, i) => i)],
  nextPosition: tokenIds.length,
});

/** Tokens that stand for each medium, for `imageFeatureRows`. */
const mediaTokens = (
  media: readonly ProcessedMedium[],
  { imageTokenId, videoTokenId = imageTokenId }: VisionInfo,
) =>
  media.map(({ kind, layout }) => ({
    tokenId: kind === 'video' ? videoTokenId : imageTokenId,
    count: layout.tokens,
  }));

interface RenderedPrompt {
  readonly text: string;
  readonly kind: PromptKind;
  readonly media: readonly MediaPart[];
}

function renderPrompt(
  assets: CheckpointAssets,
  processor: Processor | undefined,
  options: PromptOptions,
): RenderedPrompt {
  const { messages, prompt, raw = false, images = [] } = options;
  if ((messages === undefined) === (prompt === undefined)) {
    throw new InputError(
      `prompt: ${messages ? 'both messages and' : 'neither messages nor'} a prompt were given; expected one of them.`,
    );
  }
  const plain = { text: prompt ?? '', kind: 'plain', media: images.map(imagePart) } as const;
  if (prompt !== undefined && raw) return plain;
  const conversation = messages ?? [questionAbout(images, prompt ?? '')];
  const media = fillImages(conversation, messages ? images : []);
  const { tokenizer, model } = assets;
  const chatTemplate = processor?.templateFor?.(conversation) ?? assets.chatTemplate;
  if (chatTemplate === null && processor?.render)
    return { text: processor.render(conversation), kind: 'plain', media };
  if (chatTemplate === null && prompt !== undefined && images.length === 0) return plain;
  return {
    text: createChatTemplate(chatTemplate, tokenizer).render(
      processor?.videosAsPictures ? conversation.map(showVideosAsPictures) : conversation,
    ),
    kind: model.vision ? 'multimodal-chat' : 'chat',
    media,
  };
}

const imagePart = (image: PictureSource): MediaPart => ({ type: 'image', image });

const showVideosAsPictures = ({ role, content }: Message): Message => ({
  role,
  content:
    typeof content === 'string'
      ? content
      : content.map((part) => (part.type === 'video' ? { type: 'image' } : part)),
});

/** A user turn that shows the pictures, then asks. */
const questionAbout = (images: readonly PictureSource[], question: string): Message => ({
  role: 'user',
  content:
    images.length === 0 ? question : [...images.map(imagePart), { type: 'text' as const, text: question }],
});

/** The conversation's media in order: a picture part without one takes the next of `images`. */
function fillImages(messages: readonly Message[], images: readonly PictureSource[]): readonly MediaPart[] {
  const parts = mediaOf(messages);
  const isOpen = (part: MediaPart): boolean => part.type === 'image' && part.image === undefined;
  const open = parts.filter(isOpen).length;
  if (open !== images.length) {
    throw new InputError(
      `prompt: the messages leave ${open} pictures open and ${images.length} were given; expected as many.`,
    );
  }
  let next = 0;
  return parts.map((part) => (isOpen(part) ? { type: 'image', image: images[next++] } : part));
}
