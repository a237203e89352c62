import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { Parameters } from '../parameters.ts';

/** What lies on both sides of a projector. */
export interface ProjectorSizes {
  readonly visionHiddenSize: number;
  readonly textHiddenSize: number;
  /** Rows and columns of patches. */
  readonly patchGrid: Size2d;
}

/** A projector for parts of known sizes: image features in, embeddings of the language model out. */
export interface Projector {
  /** A word for it: `mlp`. */
  readonly name: string;
  /** Image tokens of one picture. */
  readonly tokens: number;
  /** features [1, P, visionHiddenSize], row by row → [1, tokens, textHiddenSize] */
  project(features: Tensor, w: Parameters): Tensor;
}

/** A projector that takes its widths from the parts it comes between. Throws ConfigError where it does not fit them. */
export type ProjectorChoice = (sizes: ProjectorSizes) => Projector;

export interface MlpOptions {
  /** Layers. */
  readonly depth?: number;
  readonly hiddenAct?: Activation;
  readonly bias?: boolean;
}

export interface CAbstractorOptions {
  /** Image tokens, any number, or their rows and columns. */
  readonly tokens: number | Size2d;
  /** Width of the ResNet blocks. */
  readonly hiddenSize?: number;
  /** ResNet blocks on each side of the pooling; 0 leaves the pooling alone. */
  readonly depth?: number;
  /** Layers of the MLP behind. */
  readonly mlpDepth?: number;
  /** Learned positions: of the patches, as in new weights, or of a class token too, as Honeybee's files have them. */
  readonly positions?: 'none' | 'patches' | 'with-class';
}

export interface PatchMergerOptions {
  /** Patches joined along each side. */
  readonly spatialMergeSize?: number;
  readonly norm?: 'layer' | 'rms';
  readonly normEps?: number;
}

export interface ResamplerOptions {
  /** Image tokens, any number. */
  readonly tokens?: number;
  readonly depth?: number;
  readonly numAttentionHeads?: number;
  readonly numKeyValueHeads?: number;
  readonly headDim?: number;
  /** Width within the gated MLP before the resampler; 4 times the decoder's unless told. */
  readonly intermediateSize?: number;
}
