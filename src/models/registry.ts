import { UnsupportedError } from '../core/errors.ts';
import { clipModel } from './clip/model.ts';
import { type ConfigReader, readConfig } from './config-reader.ts';
import type { DualEncoder } from './dual-encoder.ts';
import { gemmaModel } from './gemma/model.ts';
import { gemma2Model } from './gemma2/model.ts';
import { gemma3Model } from './gemma3/model.ts';
import { gemma3TextModel } from './gemma3/text-model.ts';
import { llamaModel } from './llama/model.ts';
import { llavaModel } from './llava/model.ts';
import { llavaNextModel, llavaNextVideoModel } from './llava-next/model.ts';
import { llavaOnevisionModel } from './llava-onevision/model.ts';
import type { Model } from './model.ts';
import { paliGemmaModel } from './paligemma/model.ts';
import { qwen2Model } from './qwen2/model.ts';
import { qwen25VlModel } from './qwen2-5-vl/model.ts';
import { qwen2VlModel } from './qwen2-vl/model.ts';
import { qwen3Model } from './qwen3/model.ts';
import { qwen3VlModel } from './qwen3-vl/model.ts';
import { siglipModel } from './siglip/model.ts';
import { smolVlmModel } from './smolvlm/model.ts';

/** `model_type` of config.json → the family that reads it. */
const MODELS: ReadonlyMap<string, (json: ConfigReader) => Model> = new Map([
  ['gemma', gemmaModel],
  ['gemma2', gemma2Model],
  ['gemma3', gemma3Model],
  ['gemma3_text', gemma3TextModel],
  ['idefics3', smolVlmModel],
  ['llama', llamaModel],
  ['llava', llavaModel],
  ['llava_next', llavaNextModel],
  ['llava_next_video', llavaNextVideoModel],
  ['llava_onevision', llavaOnevisionModel],
  ['paligemma', paliGemmaModel],
  ['qwen2', qwen2Model],
  ['qwen2_5_vl', qwen25VlModel],
  ['qwen2_vl', qwen2VlModel],
  ['qwen3', qwen3Model],
  ['qwen3_vl', qwen3VlModel],
  ['smolvlm', smolVlmModel],
]);

/** The same of those that embed pictures and texts, and write nothing. */
const DUAL_ENCODERS: ReadonlyMap<string, (json: ConfigReader) => DualEncoder> = new Map([
  ['clip', clipModel],
  ['siglip', siglipModel],
]);

/** The model that `config.json` describes. Throws UnsupportedError for an unknown `model_type`, ConfigError for bad fields. */
export function createModel(config: unknown, where: string): Model {
  const json = readConfig(config, where);
  const modelType = json.string('model_type');
  const create = MODELS.get(modelType);
  if (create) return create(json);
  throw DUAL_ENCODERS.has(modelType)
    ? new UnsupportedError(
        `${where}: model_type "${modelType}" embeds pictures and texts and writes none; expected one of ${namesOf(MODELS)}. Use loadContrastiveModel, or the commands embed, classify and search.`,
      )
    : unknownModel(where, modelType, namesOf(MODELS));
}

/** Whether `config.json` describes a dual encoder, be it one that is supported or not. */
export const isDualEncoder = (config: unknown, where: string): boolean => {
  const modelType = readConfig(config, where).string('model_type');
  return DUAL_ENCODERS.has(modelType) || modelType === NAFLEX;
};

/** SigLIP 2 whose pictures keep their shape: other weights, and as many patches as fit. Fixed sizes are "siglip". */
const NAFLEX = 'siglip2';

/** The dual encoder that `config.json` describes. Throws as `createModel` does. */
export function createDualEncoder(config: unknown, where: string): DualEncoder {
  const json = readConfig(config, where);
  const modelType = json.string('model_type');
  const create = DUAL_ENCODERS.get(modelType);
  if (create) return create(json);
  if (modelType === NAFLEX) {
    throw new UnsupportedError(
      `${where}: model_type "${NAFLEX}" is the SigLIP 2 of flexible resolution (NaFlex); expected one of ${namesOf(DUAL_ENCODERS)}. Use a SigLIP 2 of fixed resolution, such as google/siglip2-base-patch16-224, whose model_type is "siglip".`,
    );
  }
  throw MODELS.has(modelType)
    ? new UnsupportedError(
        `${where}: model_type "${modelType}" writes text and embeds nothing; expected one of ${namesOf(DUAL_ENCODERS)}. Use loadModel, or the commands describe and chat.`,
      )
    : unknownModel(where, modelType, namesOf(DUAL_ENCODERS));
}

const namesOf = (families: ReadonlyMap<string, unknown>): string => [...families.keys()].join(', ');

const unknownModel = (where: string, modelType: string, known: string): UnsupportedError =>
  new UnsupportedError(`${where}: model_type "${modelType}" is not supported; expected one of ${known}.`);
