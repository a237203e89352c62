import type { Picture } from '../image/picture.ts';
import type { PictureArea } from '../image/visible-area.ts';
import type { TemporalPooling } from '../models/blocks/temporal-pooling.ts';
import type { ConfigReader } from '../models/config-reader.ts';
import type { Model, VisionLayout } from '../models/model.ts';
import type { Message } from '../text/messages.ts';
import type { PromptKind } from '../text/prompt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/** Frames of a video, decoded as they are asked for. */
export interface VideoClip {
  /** Equal for videos of equal content; null or absent where that cannot be told. */
  readonly key?: string | null;
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** Frames per second; null where frames come without time, as a list of pictures does. */
  readonly fps: number | null;
  readonly durationSeconds: number | null;
  /** The frames at these indices, which ascend and may repeat, in that order. */
  frames(indices: readonly number[]): AsyncIterable<Picture>;
}

/** How many frames of a video to take; the processor's own rule where nothing is said. */
export interface FrameSampling {
  readonly numFrames?: number | undefined;
  readonly fps?: number | undefined;
}

/** `TemporalPooling`, over all of the frames taken where no window is given. */
export type FramePooling = Pick<TemporalPooling, 'kind'> & Partial<Pick<TemporalPooling, 'window'>>;

/** A picture or video of a prompt, opened. `key` tells equal ones, so that they are encoded once; null: none is. */
export type Medium =
  | { readonly kind: 'image'; readonly key: string | null; readonly picture: Picture }
  | {
      readonly kind: 'video';
      readonly key: string | null;
      readonly video: VideoClip;
      readonly sampling: FrameSampling;
      /** Only for models of still pictures: those made for videos have a way of their own. */
      readonly pooling?: FramePooling | undefined;
    };

/** A picture or video as its tower takes it. */
export interface ProcessedMedium {
  readonly kind: Medium['kind'];
  readonly key: string | null;
  readonly layout: VisionLayout;
  /** The part of the picture that each tile shows; absent where one shows all of it, or it is not known. */
  readonly areas?: readonly PictureArea[];
  /** When each tile of a video was taken, in seconds from its beginning. */
  readonly tileSeconds?: readonly number[];
  /** Seconds from one tile of a video to the next, by the rate at which frames were taken. */
  readonly secondsPerTile?: number;
  /** What stands for it in the prompt, where that is more than its image tokens. */
  readonly text?: string;
  /** Pixel values tile after tile, each made when it is asked for. */
  tiles(): Iterable<Float32Array> | AsyncIterable<Float32Array>;
}

/** Position of each token along each axis, and the one that the token after them takes. */
export interface PromptPositions {
  readonly axes: readonly Int32Array[];
  readonly next: number;
}

/**
 * What a family does between a conversation and the numbers its model takes, as its processor in transformers does.
 * Pure but for decoding a video's frames.
 */
export interface Processor {
  /** Throws InputError for a medium the family does not take. */
  process(media: readonly Medium[]): readonly ProcessedMedium[];
  /** Jinja source in place of the checkpoint's chat template, for messages which that one does not know. */
  templateFor?(messages: readonly Message[]): string | undefined;
  /** A video is pictures in a row: one picture's placeholder stands for all of them, and their features can be pooled. */
  readonly videosAsPictures?: boolean;
  /** Text of a conversation, in families whose checkpoints have no chat template. */
  render?(messages: readonly Message[]): string;
  /** Puts what stands for each medium in place of its placeholder. Throws InputError where they differ in number. */
  expand(text: string, media: readonly ProcessedMedium[]): string;
  /** Ids of the expanded text, where special tokens go otherwise than `encodePrompt` puts them. */
  encode?(text: string, kind: PromptKind): readonly number[];
  /** Where positions are not simply 0, 1, 2, ... */
  positions?(tokenIds: readonly number[], media: readonly ProcessedMedium[]): PromptPositions;
  /** First and last key that each token sees besides those before it, [S, 2]; equal for none. */
  spans?(tokenIds: readonly number[], media: readonly ProcessedMedium[]): Uint32Array<ArrayBuffer>;
}

/** What processors are made from. */
export interface ProcessorSources {
  readonly model: Model;
  /** config.json. */
  readonly config: ConfigReader;
  readonly tokenizer: Tokenizer;
  /** Of `preprocessor_config.json`, or of `image_processor` in `processor_config.json`. */
  readonly imageProcessor: ConfigReader;
  /** Of `video_preprocessor_config.json`, or of `video_processor` in `processor_config.json`. */
  readonly videoProcessor?: ConfigReader | undefined;
  /** `processor_config.json`. */
  readonly processor?: ConfigReader | undefined;
  /** What a call asks of the image processor; `imageProcessor` holds it too, over what the file says. */
  readonly overrides?: ConfigReader | undefined;
}
