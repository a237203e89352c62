import { ConfigError } from '../core/errors.ts';
import { type ConfigReader, readConfig } from '../models/config-reader.ts';

/** How the next token is picked. */
export interface SamplingOptions {
  /** 0 picks the most likely token. */
  readonly temperature: number;
  /** Keep the `topK` most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the most likely tokens whose probabilities reach `topP`; 1 keeps all. */
  readonly topP: number;
  /** Keep tokens at least `minP` times as likely as the likeliest; 0 keeps all. */
  readonly minP: number;
  /** Over 1 makes tokens already in the text less likely (Keskar et al. 2019, arXiv 1909.05858); 1 does nothing. */
  readonly repetitionPenalty: number;
}

/** What a checkpoint asks of generation. */
export interface GenerationConfig {
  readonly sampling: SamplingOptions;
  readonly eosTokenIds: readonly number[];
  readonly maxNewTokens: number;
}

export const GREEDY: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

/** Where nobody says how long an answer may be. */
const DEFAULT_MAX_NEW_TOKENS = 256;

/**
 * `generation_config.json`, with the end tokens of `config.json` (or its text_config) where the former names none.
 * Fallbacks: https://huggingface.co/docs/transformers/main_classes/text_generation#transformers.GenerationConfig
 */
export function parseGenerationConfig(
  generationConfig: unknown | undefined,
  modelConfig: ConfigReader,
): GenerationConfig {
  const json = readConfig(generationConfig ?? {}, 'generation_config.json');
  const sampled = json.boolean('do_sample', false);
  return {
    sampling: {
      temperature: sampled ? json.number('temperature', 1) : 0,
      topK: sampled ? json.integer('top_k', 50) : 0,
      topP: sampled ? json.number('top_p', 1) : 1,
      minP: sampled ? json.number('min_p', 0) : 0,
      repetitionPenalty: json.number('repetition_penalty', 1),
    },
    eosTokenIds: endTokens(json, modelConfig),
    maxNewTokens: json.count('max_new_tokens', DEFAULT_MAX_NEW_TOKENS),
  };
}

/** As the checkpoint asks but for what a call asks. `greedy` is temperature 0. */
export function samplingOf(
  { sampling }: Pick<GenerationConfig, 'sampling'>,
  call: Partial<SamplingOptions> & { readonly greedy?: boolean },
): SamplingOptions {
  return {
    temperature: call.greedy ? 0 : (call.temperature ?? sampling.temperature),
    topK: call.topK ?? sampling.topK,
    topP: call.topP ?? sampling.topP,
    minP: call.minP ?? sampling.minP,
    repetitionPenalty: call.repetitionPenalty ?? sampling.repetitionPenalty,
  };
}

function endTokens(json: ConfigReader, modelConfig: ConfigReader): readonly number[] {
  const text = modelConfig.optionalObject('text_config');
  const source = [json, modelConfig, text].find((reader) => reader?.has('eos_token_id'));
  if (!source) {
    throw new ConfigError(
      'config.json: no "eos_token_id" here nor in generation_config.json; expected the ids that end an answer. Add it to generation_config.json.',
    );
  }
  return source.integers('eos_token_id');
}
