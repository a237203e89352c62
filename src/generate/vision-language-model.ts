import type { PictureSource } from '../image/load-picture.ts';
import type { Model } from '../models/model.ts';
import type { Precision } from '../models/parameters.ts';
import type { Message } from '../text/messages.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { AnswerBatch, BatchOptions } from './batch/batch.ts';
import type { CaptureRequest } from './capture.ts';
import type { CapturableTensor, CapturedTensor } from './captured.ts';
import type { ProcessorOverrides } from './checkpoint-assets.ts';
import type { Generation } from './generation.ts';
import type { SamplingOptions } from './generation-config.ts';
import type { PromptTokens } from './read-prompt.ts';
import type { WeightsSummary } from './weights-summary.ts';

/** What one answer is made from. Anything left out is as the checkpoint's generation_config.json says. */
export interface GenerateOptions extends Partial<SamplingOptions> {
  /** A conversation; its last message is the user's. Give this or `prompt`. */
  readonly messages?: readonly Message[];
  /** One question, asked with all of `images` before it. */
  readonly prompt?: string;
  /** The prompt is the text to go on from, without the checkpoint's chat template. */
  readonly raw?: boolean;
  /** Pictures in the order of those image parts of `messages` that carry none themselves. */
  readonly images?: readonly PictureSource[];
  /** Fields of the checkpoint's preprocessor_config.json to change for this answer, e.g. `{ max_pixels: 401408 }`. */
  readonly processor?: ProcessorOverrides;
  readonly maxNewTokens?: number;
  /** Always the most likely token; same as temperature 0. */
  readonly greedy?: boolean;
  /**
   * Repeats a sampled answer on the same adapter. Random unless given. Such an answer starts from an empty KV cache:
   * keys computed in passes of other lengths differ in their last bits.
   */
  readonly seed?: number;
  /** The answer ends before any of these. */
  readonly stop?: readonly string[];
  readonly signal?: AbortSignal;
}

/** A checkpoint on a device, ready to answer. Calls are answered one after another. */
export interface VisionLanguageModel {
  /** Folder or address it came from. */
  readonly name: string;
  readonly adapterName: string;
  /** One line for people when a CPU does a GPU's work and nobody asked for that. */
  readonly notice: string | undefined;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly precision: Precision;
  /** What the weights take on the device, and what rounding them to q8 or q4 cost. */
  readonly weights: WeightsSummary;
  /** From the call of `loadModel` until the weights were on the device and the pipelines made, in ms. */
  readonly loadMs: number;
  /** Tensors of the checkpoint that the model does not use, for a warning. */
  readonly unusedTensors: readonly string[];
  /** Throws InputError for pictures and placeholders that do not match, and for a prompt beyond the context. */
  generate(options: GenerateOptions): Generation;
  /** Asks `prompt` ("Describe the image." unless told) about one picture. */
  describe(image: PictureSource, options?: Omit<GenerateOptions, 'messages' | 'images'>): Generation;
  /** What `capture` can read, by the names of the model's graphs, in the order of the computation. */
  names(): readonly CapturableTensor[];
  /**
   * Runs the model once, in plans of its own, and reads the tensors of these names. Tiles and pictures come one after
   * another along the first axis; the decoder sees all tokens in one pass. Answers are no slower for it.
   * Throws InputError for an unknown name, a prompt beyond the context, and as `generate` does.
   */
  capture(names: readonly string[], request: CaptureRequest): Promise<ReadonlyMap<string, CapturedTensor>>;
  /**
   * Hidden states of any layer, rows of `model.text.hiddenSize` values before the final norm, as the model would read
   * them after its last layer: logits, rows of `model.text.vocabSize`. Throws InputError for no whole rows.
   */
  readOut(states: Float32Array): Promise<Float32Array>;
  /** What `capture` would run on, token by token. */
  readPrompt(request: CaptureRequest): Promise<PromptTokens>;
  /**
   * Answers several requests at a time: one pass reads the weights once for the next token of all of them. Takes memory
   * for their keys and values until it is disposed of, which must be before the model is. Throws InputError for sizes that
   * do not fit the adapter.
   */
  startBatch(options?: BatchOptions): Promise<AnswerBatch>;
  /** Frees all that is on the device; the device too, where `loadModel` made it. */
  dispose(): void;
}

/** Stages of loading, in order; `done` of `total` bytes or pipelines. */
export interface LoadProgress {
  readonly stage: 'weights' | 'pipelines';
  readonly done: number;
  readonly total: number;
}
