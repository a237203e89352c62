import type { FloatDType } from '../core/dtype.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { DecoderPass, Model, TextInfo } from './model.ts';
import type { Parameters } from './parameters.ts';

/** A text decoder as several models have it, alone or behind a vision tower. `w` is where its own weights lie. */
export interface TextDecoder {
  readonly text: TextInfo;
  /** ids [B, S] u32 → [B, S, C]. */
  embedTokens(ids: Tensor, w: Parameters, dtype: FloatDType): Tensor;
  /** inputsEmbeds [B, S, C] → hidden states [B, S, C] after the final norm. */
  decode(inputsEmbeds: Tensor, w: Parameters, pass: DecoderPass): Tensor;
  /** hiddenStates [..., C] → [..., V]; `head` holds `lm_head`, unless the embedding table serves. */
  logits(hiddenStates: Tensor, w: Parameters, head: Parameters): Tensor;
}

/** A decoder as a language model: `model.*` and, unless tied, `lm_head`. */
export const languageModel = (modelType: string, decoder: TextDecoder): Model => ({
  modelType,
  text: decoder.text,
  embedTokens: (ids, w, dtype) => decoder.embedTokens(ids, w.scope('model'), dtype),
  decode: (inputsEmbeds, w, pass) => decoder.decode(inputsEmbeds, w.scope('model'), pass),
  logits: (hiddenStates, w) => decoder.logits(hiddenStates, w.scope('model'), w),
});
