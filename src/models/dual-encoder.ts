import type { FloatDType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Parameters } from './parameters.ts';

/** A tower of a dual encoder, in the numbers that batching needs. */
export interface TowerInfo {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
}

export interface TextTowerInfo extends TowerInfo {
  readonly vocabSize: number;
  /** The longest text in tokens, special ones among them. */
  readonly maxPositionEmbeddings: number;
  /** `full`: every text is padded to the longest, which the model was trained on; `any`: padding changes nothing. */
  readonly padding: 'full' | 'any';
}

export interface ImageTowerInfo extends TowerInfo {
  /** Rows of a picture's hidden states. */
  readonly tokensPerImage: number;
  /** Shape of one picture's pixel values: [channels, height, width]. */
  readonly imageShape: readonly [channels: number, height: number, width: number];
}

/** A learned number of the checkpoint. */
export interface LearnedNumber {
  readonly name: string;
  readonly shape: Shape;
}

/** Embeddings of a picture's patches. */
export interface EncodedPatches {
  readonly patches: Tensor;
  readonly rows: number;
  readonly columns: number;
}

/**
 * Two towers that embed pictures and texts in one space: pure functions from graph tensors to graph tensors, for one
 * checkpoint's sizes. The score of a pair is exp(logitScale) * (image · text) + logitBias.
 */
export interface DualEncoder {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** Width of an embedding. */
  readonly embeddingSize: number;
  readonly text: TextTowerInfo;
  readonly vision: ImageTowerInfo;
  /** Logarithm of what similarities are multiplied by. */
  readonly logitScale: LearnedNumber;
  readonly logitBias?: LearnedNumber;
  /** `softmax` over the texts of a picture, or `sigmoid` of each pair by itself. */
  readonly probability: 'softmax' | 'sigmoid';
  /** pixelValues [B, 3, H, W] → unit vectors [B, E]. */
  encodeImage(pixelValues: Tensor, w: Parameters): Tensor;
  /** pixelValues [1, 3, H, W] → a unit vector per patch, row by row [rows * columns, E]. Absent where patches have none. */
  encodePatches?(pixelValues: Tensor, w: Parameters): EncodedPatches;
  /** ids [B, S] u32; pooledRows [B] u32: row of each text's `pooledPosition` among the B * S → unit vectors [B, E]. */
  encodeText(ids: Tensor, pooledRows: Tensor, w: Parameters, dtype: FloatDType): Tensor;
  /** Place of the token whose state stands for the text. */
  pooledPosition(ids: readonly number[]): number;
}
