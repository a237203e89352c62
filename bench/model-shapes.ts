/** Sizes of well-known models, from their config.json: what kernels and blocks are timed at. */

/** A vision transformer; `seq` counts its patches and class token at the resolution in the name. */
export interface VisionSizes {
  readonly name: string;
  readonly family: 'clip' | 'siglip';
  readonly seq: number;
  readonly hiddenSize: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
}

/** A decoder of Llama's or Gemma's form. */
export interface DecoderSizes {
  readonly name: string;
  readonly family: 'llama' | 'gemma';
  readonly hiddenSize: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
}

export const VIT_B: VisionSizes = {
  name: 'ViT-B/16-224',
  family: 'clip',
  seq: 197,
  hiddenSize: 768,
  numAttentionHeads: 12,
  intermediateSize: 3072,
};

export const VIT_L: VisionSizes = {
  name: 'ViT-L/14-224',
  family: 'clip',
  seq: 257,
  hiddenSize: 1024,
  numAttentionHeads: 16,
  intermediateSize: 4096,
};

export const SIGLIP_SO400M: VisionSizes = {
  name: 'SigLIP-so400m/14-384',
  family: 'siglip',
  seq: 729,
  hiddenSize: 1152,
  numAttentionHeads: 16,
  intermediateSize: 4304,
};

/** SmolLM2-135M. */
export const LLAMA_135M: DecoderSizes = {
  name: 'Llama-135M',
  family: 'llama',
  hiddenSize: 576,
  numAttentionHeads: 9,
  numKeyValueHeads: 3,
  headDim: 64,
  intermediateSize: 1536,
  vocabSize: 49152,
};

/** Llama 3.2 1B. */
export const LLAMA_1B: DecoderSizes = {
  name: 'Llama-1B',
  family: 'llama',
  hiddenSize: 2048,
  numAttentionHeads: 32,
  numKeyValueHeads: 8,
  headDim: 64,
  intermediateSize: 8192,
  vocabSize: 128256,
};

/** Vicuna 7B, the decoder of LLaVA 1.5. */
export const LLAMA_7B: DecoderSizes = {
  name: 'Llama-7B',
  family: 'llama',
  hiddenSize: 4096,
  numAttentionHeads: 32,
  numKeyValueHeads: 32,
  headDim: 128,
  intermediateSize: 11008,
  vocabSize: 32064,
};

/** The decoder of PaliGemma. */
export const GEMMA_2B: DecoderSizes = {
  name: 'Gemma-2B',
  family: 'gemma',
  hiddenSize: 2048,
  numAttentionHeads: 8,
  numKeyValueHeads: 1,
  headDim: 256,
  intermediateSize: 16384,
  vocabSize: 257216,
};

export const visionSizes: readonly VisionSizes[] = [VIT_B, VIT_L, SIGLIP_SO400M];
export const decoderSizes: readonly DecoderSizes[] = [LLAMA_135M, LLAMA_1B, LLAMA_7B, GEMMA_2B];
