import { UnsupportedError } from '../core/errors.ts';
import { type ConfigReader, readConfig } from './config-reader.ts';
import { gemmaModel } from './gemma/model.ts';
import { llamaModel } from './llama/model.ts';
import { llavaModel } from './llava/model.ts';
import type { Model } from './model.ts';
import { qwen2Model } from './qwen2/model.ts';

/** `model_type` of config.json → the family that reads it. */
const MODELS: ReadonlyMap<string, (json: ConfigReader) => Model> = new Map([
  ['gemma', gemmaModel],
  ['llama', llamaModel],
  ['llava', llavaModel],
  ['qwen2', qwen2Model],
]);

/** The model that `config.json` describes. Throws UnsupportedError for an unknown `model_type`, ConfigError for bad fields. */
export function createModel(config: unknown, where: string): Model {
  const json = readConfig(config, where);
  const modelType = json.string('model_type');
  const create = MODELS.get(modelType);
  if (!create) {
    throw new UnsupportedError(
      `${where}: model_type "${modelType}" is not supported; expected one of ${[...MODELS.keys()].join(', ')}.`,
    );
  }
  return create(json);
}
