import type { ConfigReader } from '../config-reader.ts';
import { causalLanguageModel } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { parseQwen2Config } from './config.ts';

/** Qwen2ForCausalLM. */
export const qwen2Model = (json: ConfigReader): Model => causalLanguageModel('qwen2', parseQwen2Config(json));
