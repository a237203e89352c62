import { ConfigError } from '../core/errors.ts';
import { readProcessorFiles } from '../generate/processor-files.ts';
import { type ImageProcessorConfig, outputSize, parseImageProcessor } from '../image/image-processor.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import { createDualEncoder } from '../models/registry.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import { type CheckpointFiles, readJson, readJsonIfPresent } from '../weights/checkpoint-files.ts';
import { createTextProcessor, type TextProcessor } from './text-processor.ts';

/** What the folder of a dual encoder holds besides its weights. */
export interface ContrastiveAssets {
  readonly model: DualEncoder;
  readonly textProcessor: TextProcessor;
  readonly imageProcessor: ImageProcessorConfig;
}

/**
 * Reads and checks config, tokenizer and image processor. Throws ConfigError or UnsupportedError naming the file, also
 * where pictures come out of the processor in another size than the tower takes.
 */
export async function readContrastiveAssets(files: CheckpointFiles): Promise<ContrastiveAssets> {
  const config = await readJson(files, 'config.json');
  const model = createDualEncoder(config, `${files.name}: config.json`);
  const [tokenizerJson, tokenizerConfig, processorFiles] = await Promise.all([
    readJson(files, 'tokenizer.json'),
    readJsonIfPresent(files, 'tokenizer_config.json'),
    readProcessorFiles(files),
  ]);
  const imageProcessor = parseImageProcessor(processorFiles.imageProcessor.json);
  const [, height, width] = model.vision.imageShape;
  const size = outputSize(imageProcessor);
  if (size?.height !== height || size.width !== width) {
    throw new ConfigError(
      `${files.name}: the image processor gives ${size ? `${size.height}x${size.width} pixels` : 'pictures of any size'}, the vision tower takes ${height}x${width}; expected the same. Check preprocessor_config.json against config.json.`,
    );
  }
  const tokenizer = createTokenizer(tokenizerJson, tokenizerConfig ?? {});
  return {
    model,
    textProcessor: createTextProcessor(tokenizer, tokenizerConfig, model.text),
    imageProcessor,
  };
}
