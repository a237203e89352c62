import { ConfigError } from '../core/errors.ts';
import { type ConfigReader, readConfig } from '../models/config-reader.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';

/** The settings of a checkpoint's processor, by the file or field that holds them. */
export interface ProcessorFiles {
  readonly imageProcessor: ConfigReader;
  readonly videoProcessor: ConfigReader | undefined;
  readonly processor: ConfigReader | undefined;
}

/**
 * Files of their own in transformers 4.x, nested in `processor_config.json` in 5.x, which goes first where both are there.
 * Throws ConfigError where there is none of pictures.
 */
export async function readProcessorFiles(files: CheckpointFiles): Promise<ProcessorFiles> {
  const read = async (file: string): Promise<ConfigReader | undefined> =>
    (await files.has(file)) ? readConfig(await readJson(files, file), `${files.name}: ${file}`) : undefined;
  const [image, video, processor] = await Promise.all(
    ['preprocessor_config.json', 'video_preprocessor_config.json', 'processor_config.json'].map(read),
  );
  const imageProcessor = processor?.optionalObject('image_processor') ?? image;
  if (!imageProcessor) {
    throw new ConfigError(
      `${files.name}: has no image processor config; expected preprocessor_config.json, or image_processor in processor_config.json.`,
    );
  }
  return {
    imageProcessor,
    videoProcessor: processor?.optionalObject('video_processor') ?? video,
    processor,
  };
}
