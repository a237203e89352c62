import type { CapturableTensor, CapturedTensor } from '../generate/captured.ts';
import type { PromptMedium } from '../generate/read-prompt.ts';
import type { WeightsSummary } from '../generate/weights-summary.ts';
import type { PictureSource } from '../image/load-picture.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import type { Precision } from '../models/parameters.ts';
import type { CaptureTowersRequest } from './capture.ts';
import type { PatchEmbeddings } from './patch-embeddings.ts';
import type { Score } from './scores.ts';

/** How pictures are embedded. */
export interface EmbedImageOptions {
  readonly signal?: AbortSignal | undefined;
}

/** How texts are embedded. */
export interface EmbedTextOptions {
  /** Cuts texts that are too long, as the reference's `truncation=True`; default false: such a text is an error. */
  readonly truncate?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How labels become texts, and their scores probabilities. */
export interface ClassifyOptions extends EmbedTextOptions {
  /** Sentence that each label is put into at `{}`: `a photo of a {}`. Default the label alone. */
  readonly template?: string | undefined;
  /** What logits are divided by: above 1 evens the probabilities out, below sharpens them. Default 1. */
  readonly temperature?: number | undefined;
}

/** How well one label fits a picture. */
export interface LabelScore extends Score {
  readonly label: string;
}

/** A CLIP or SigLIP checkpoint on a device: pictures and texts as unit vectors in one space. */
export interface ContrastiveModel {
  /** Folder or address it came from. */
  readonly name: string;
  readonly adapterName: string;
  /** One line for people when a CPU does a GPU's work and nobody asked for that. */
  readonly notice: string | undefined;
  readonly model: DualEncoder;
  readonly precision: Precision;
  /** What the weights take on the device, and what rounding them to q8 or q4 cost. */
  readonly weights: WeightsSummary;
  /** From the call of `loadContrastiveModel` until it was ready, in ms. */
  readonly loadMs: number;
  /** Tensors of the checkpoint that the model does not use, for a warning. */
  readonly unusedTensors: readonly string[];
  /** Values of an embedding. */
  readonly embeddingSize: number;
  /** Pictures handed in together run in batches of at most so many. */
  readonly maxImageBatch: number;

  /** A picture's unit vector, [E]. Throws as `loadPicture` does. */
  embedImage(picture: PictureSource, options?: EmbedImageOptions): Promise<Float32Array>;
  /** Of each picture; they are decoded a batch at a time, so any number fits. */
  embedImage(pictures: readonly PictureSource[], options?: EmbedImageOptions): Promise<Float32Array[]>;

  /** A text's unit vector, [E]. Throws InputError for one that is too long. */
  embedText(text: string, options?: EmbedTextOptions): Promise<Float32Array>;
  /** Of each text, in batches. Throws InputError naming the first that is too long. */
  embedText(texts: readonly string[], options?: EmbedTextOptions): Promise<Float32Array[]>;

  /** A unit vector per patch of a picture, to compare with texts. Throws as `loadPicture`, and UnsupportedError. */
  embedPatches(picture: PictureSource, options?: EmbedImageOptions): Promise<PatchEmbeddings>;

  /** An image's embedding against those of texts, in their order, with the checkpoint's scale and bias. */
  score(
    image: Float32Array,
    texts: readonly Float32Array[],
    options?: Pick<ClassifyOptions, 'temperature'>,
  ): readonly Score[];

  /** Which of `labels` fits the picture, the best first. Throws InputError for no labels. */
  classify(
    picture: PictureSource,
    labels: readonly string[],
    options?: ClassifyOptions,
  ): Promise<readonly LabelScore[]>;
  /** Of each picture; the labels are embedded once. */
  classify(
    pictures: readonly PictureSource[],
    labels: readonly string[],
    options?: ClassifyOptions,
  ): Promise<readonly (readonly LabelScore[])[]>;

  /** A picture as its tower takes it: which part of it, in which shape. */
  readPicture(picture: PictureSource): Promise<PromptMedium>;
  /** What `capture` can read, by the names of the towers' graphs, in the order of the computation. */
  names(): readonly CapturableTensor[];
  /**
   * Runs the towers once, in plans of their own, and reads the tensors of these names: of a picture, of a text, or of
   * both. Embedding is no slower for it. Throws InputError for an unknown name and for a picture or text that is missing.
   */
  capture(
    names: readonly string[],
    request: CaptureTowersRequest,
  ): Promise<ReadonlyMap<string, CapturedTensor>>;

  /** Frees all that is on the device; the device too, where `loadContrastiveModel` made it. */
  dispose(): void;
}
