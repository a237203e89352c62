import { type ImageProcessorConfig, parseImageProcessor } from '../image/image-processor.ts';
import { readConfig } from '../models/config-reader.ts';
import type { Model } from '../models/model.ts';
import { createModel } from '../models/registry.ts';
import { findChatTemplate } from '../text/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { type CheckpointFiles, readJson, readText } from '../weights/checkpoint-files.ts';
import { type GenerationConfig, parseGenerationConfig } from './generation-config.ts';

/** What a checkpoint folder holds besides its weights. */
export interface CheckpointAssets {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Jinja source; null in a checkpoint that was never taught to chat. */
  readonly chatTemplate: string | null;
  /** Absent in a language model. */
  readonly imageProcessor?: ImageProcessorConfig;
  readonly generation: GenerationConfig;
}

/** Reads and checks config, tokenizer, template and processor. Throws ConfigError or UnsupportedError naming the file. */
export async function readAssets(files: CheckpointFiles): Promise<CheckpointAssets> {
  const [config, tokenizerJson, tokenizerConfig, generationConfig] = await Promise.all([
    readJson(files, 'config.json'),
    readJson(files, 'tokenizer.json'),
    readIfPresent(files, 'tokenizer_config.json'),
    readIfPresent(files, 'generation_config.json'),
  ]);
  const model = createModel(config, `${files.name}: config.json`);
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig ?? {});
  const chatTemplate = findChatTemplate({
    jinja: (await files.has('chat_template.jinja')) ? await readText(files, 'chat_template.jinja') : null,
    json: await readIfPresent(files, 'chat_template.json'),
    tokenizerConfig,
  });
  const generation = parseGenerationConfig(generationConfig, readConfig(config, 'config.json'));
  const assets = { model, tokenizer, chatTemplate, generation };
  return model.vision ? { ...assets, imageProcessor: await readImageProcessor(files) } : assets;
}

/** `preprocessor_config.json` in transformers 4.x, nested in `processor_config.json` in 5.x. */
export async function readImageProcessor(files: CheckpointFiles): Promise<ImageProcessorConfig> {
  const file = (await files.has('preprocessor_config.json'))
    ? 'preprocessor_config.json'
    : 'processor_config.json';
  return parseImageProcessor(await readJson(files, file));
}

/** A file's JSON; undefined where the checkpoint has none of that name. */
export const readIfPresent = async (files: CheckpointFiles, file: string): Promise<unknown> =>
  (await files.has(file)) ? readJson(files, file) : undefined;
