import { readConfig } from '../models/config-reader.ts';
import type { Model } from '../models/model.ts';
import { createModel } from '../models/registry.ts';
import type { Processor } from '../processors/processor.ts';
import { createProcessor } from '../processors/registry.ts';
import { findChatTemplate } from '../text/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../text/tokenizer.ts';
import { type CheckpointFiles, readJson, readJsonIfPresent, readText } from '../weights/checkpoint-files.ts';
import { type GenerationConfig, parseGenerationConfig } from './generation-config.ts';
import { readProcessorFiles } from './processor-files.ts';

/** Fields of preprocessor_config.json, by their own names: `{ do_image_splitting: false }`. */
export type ProcessorOverrides = Readonly<Record<string, unknown>>;

/** What a checkpoint folder holds besides its weights. */
export interface CheckpointAssets {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Jinja source; null in a checkpoint that was never taught to chat. */
  readonly chatTemplate: string | null;
  /**
   * What turns conversations into the model's numbers, with fields of its image processor's config replaced by
   * `overrides`; absent in a language model. Throws ConfigError for bad ones.
   */
  readonly createProcessor?: (overrides?: ProcessorOverrides) => Processor;
  readonly generation: GenerationConfig;
}

/** A checkpoint's files about text, parsed but not checked. */
export interface TextFiles {
  readonly tokenizerJson: unknown;
  /** `undefined` where it has none, as the two below. */
  readonly tokenizerConfig: unknown;
  readonly generationConfig: unknown;
  /** Jinja source, or null. */
  readonly chatTemplate: string | null;
}

/** Throws ConfigError for files that are missing or no JSON. */
export async function readTextFiles(files: CheckpointFiles): Promise<TextFiles> {
  const [tokenizerJson, tokenizerConfig, generationConfig] = await Promise.all([
    readJson(files, 'tokenizer.json'),
    readJsonIfPresent(files, 'tokenizer_config.json'),
    readJsonIfPresent(files, 'generation_config.json'),
  ]);
  const chatTemplate = findChatTemplate({
    jinja: (await files.has('chat_template.jinja')) ? await readText(files, 'chat_template.jinja') : null,
    json: await readJsonIfPresent(files, 'chat_template.json'),
    tokenizerConfig,
  });
  return { tokenizerJson, tokenizerConfig, generationConfig, chatTemplate };
}

/** Reads and checks config, tokenizer, template and processor. Throws ConfigError or UnsupportedError naming the file. */
export async function readAssets(files: CheckpointFiles): Promise<CheckpointAssets> {
  const [config, text] = await Promise.all([readJson(files, 'config.json'), readTextFiles(files)]);
  const model = createModel(config, `${files.name}: config.json`);
  const tokenizer = createTokenizer(text.tokenizerJson, text.tokenizerConfig ?? {});
  const generation = parseGenerationConfig(text.generationConfig, readConfig(config, 'config.json'));
  const assets = { model, tokenizer, chatTemplate: text.chatTemplate, generation };
  if (!model.vision) return assets;
  const processorFiles = await readProcessorFiles(files);
  const create = (overrides: ProcessorOverrides = {}): Processor => {
    const { imageProcessor } = processorFiles;
    const changed = readConfig({ ...imageProcessor.json, ...overrides }, imageProcessor.where);
    return createProcessor({
      ...processorFiles,
      imageProcessor: changed,
      overrides: readConfig(overrides, 'processor'),
      model,
      tokenizer,
      config: readConfig(config, `${files.name}: config.json`),
    });
  };
  // Bad files are found while loading, not with the first picture.
  create();
  return { ...assets, createProcessor: create };
}
