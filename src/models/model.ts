import type { FloatDType } from '../core/dtype.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** What a decoder pass needs besides its embeddings. */
export interface DecoderPass {
  /** Rotary position of each row, [B, S] u32. */
  readonly positions: Tensor;
  /** Tokens already in the cache, [B] u32. */
  readonly past: Tensor;
  /** Tokens the cache can hold. */
  readonly capacity: number;
  readonly kvCacheDType: FloatDType;
}

/** What a text decoder is, in the numbers that loading, caching and sampling need. */
export interface TextInfo {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
}

/** What a vision tower with its projector takes and gives. */
export interface VisionInfo {
  /** The token id that each image feature replaces. */
  readonly imageTokenId: number;
  /** Image features, and so tokens, of one picture. */
  readonly tokensPerImage: number;
  /** Shape of one picture's pixel values: [channels, height, width]. */
  readonly imageShape: readonly [channels: number, height: number, width: number];
}

/** One model family at one checkpoint's sizes: pure functions from graph tensors to graph tensors. */
export interface Model {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly text: TextInfo;
  /** Absent in a language model. */
  readonly vision?: VisionInfo;
  /** pixelValues [1, 3, H, W] → features in the decoder's width [tokensPerImage, C]. */
  encodeImage?(pixelValues: Tensor, w: Parameters): Tensor;
  /** ids [B, S] u32 → [B, S, C]. */
  embedTokens(ids: Tensor, w: Parameters, dtype: FloatDType): Tensor;
  /** inputsEmbeds [B, S, C] → hidden states [B, S, C] after the final norm. */
  decode(inputsEmbeds: Tensor, w: Parameters, pass: DecoderPass): Tensor;
  /** hiddenStates [..., C] → [..., V]. */
  logits(hiddenStates: Tensor, w: Parameters): Tensor;
}
