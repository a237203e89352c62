import { ConfigError } from '../core/errors.ts';
import { decoderWeights, projectorWeights, towerWeights } from '../models/compose/part-weights.ts';
import { readEncoder, type VisionEncoder } from '../models/compose/vision-encoder.ts';
import { type ConfigReader, readConfig } from '../models/config-reader.ts';
import type { Model } from '../models/model.ts';
import { createModel } from '../models/registry.ts';
import { type Checkpoint, openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { readTextFiles, type TextFiles } from './checkpoint-assets.ts';
import { openModelFiles } from './model-files.ts';
import { readProcessorFiles } from './processor-files.ts';

const IMAGE_PROCESSOR_FILES = ['preprocessor_config.json', 'processor_config.json'];

type Json = Readonly<Record<string, unknown>>;

/** A checkpoint: a folder (Node), an http(s) address, or files in memory. */
export type PartSource = string | URL | CheckpointFiles;

/** An encoder with new weights: the fields of a `vision_config`, `model_type` among them, by their own names. */
export interface NewEncoder {
  readonly config: Json;
}

/** A decoder with new weights: the fields of a language model's config.json by their own names, and whose tokens it writes. */
export interface NewDecoder {
  readonly config: Json;
  /** A checkpoint, for its tokenizer, chat template and generation config. */
  readonly tokenizer: PartSource;
}

export interface EncoderPart {
  readonly encoder: VisionEncoder;
  /** Fields of its preprocessor_config.json. */
  readonly imageProcessor: Json;
  /** Absent where they are to be new. */
  readonly weights?: TensorIndex;
}

export interface DecoderPart {
  readonly decoder: Model;
  readonly config: ConfigReader;
  readonly text: TextFiles;
  readonly weights?: TensorIndex;
}

/** Opens a checkpoint; whoever calls composes, and closes all of `opened` in the end. */
async function open(files: CheckpointFiles, opened: Checkpoint[]): Promise<TensorIndex> {
  const checkpoint = await openCheckpoint(files);
  opened.push(checkpoint);
  return checkpoint.index;
}

export async function openEncoder(
  source: PartSource | NewEncoder,
  featureLayer: number | undefined,
  opened: Checkpoint[],
): Promise<EncoderPart> {
  if (isNew(source)) {
    const encoder = readEncoder(readConfig(source.config, 'encoder.config'), { featureLayer });
    return { encoder, imageProcessor: plainProcessor(encoder) };
  }
  const files = await openModelFiles(source);
  const encoder = readEncoder(await visionConfig(files), { featureLayer });
  return {
    encoder,
    imageProcessor: (await imageProcessorOf(files)) ?? plainProcessor(encoder),
    weights: towerWeights(await open(files, opened), files.name),
  };
}

export async function openDecoder(
  source: PartSource | NewDecoder,
  opened: Checkpoint[],
): Promise<DecoderPart> {
  if (isNew(source)) {
    const { config, tokenizer } = source;
    return {
      decoder: createModel(config, 'decoder.config'),
      config: readConfig(config, 'decoder.config'),
      text: await readTextFiles(await openModelFiles(tokenizer)),
    };
  }
  const files = await openModelFiles(source);
  const config = textConfig(readConfig(await readJson(files, 'config.json'), `${files.name}: config.json`));
  return {
    decoder: createModel(config.json, config.where),
    config,
    text: await readTextFiles(files),
    weights: decoderWeights(await open(files, opened), files.name),
  };
}

export async function openProjector(source: PartSource, opened: Checkpoint[]): Promise<TensorIndex> {
  return projectorWeights(await open(await openModelFiles(source), opened));
}

const isNew = <T extends { readonly config: Json }>(source: PartSource | T): source is T =>
  typeof source === 'object' && 'config' in source;

/** A tower's config stands alone, or in that of a dual encoder, which may leave out its type, or of a vision language model. */
async function visionConfig(files: CheckpointFiles): Promise<ConfigReader> {
  const config = readConfig(await readJson(files, 'config.json'), `${files.name}: config.json`);
  const vision = config.optionalObject('vision_config');
  if (!vision) return config;
  const modelType = vision.string('model_type', `${config.string('model_type')}_vision_model`);
  return readConfig({ ...vision.json, model_type: modelType }, vision.where);
}

/** A vision language model's decoder is described in its text_config, all but whether its two tables are one. */
function textConfig(config: ConfigReader): ConfigReader {
  if (!config.has('vision_config')) return config;
  const text = config.object('text_config');
  const tied = text.boolean('tie_word_embeddings', false) || config.boolean('tie_word_embeddings', false);
  return readConfig({ ...text.json, tie_word_embeddings: tied }, text.where);
}

/** undefined where the checkpoint has no file about pictures. */
async function imageProcessorOf(files: CheckpointFiles): Promise<Json | undefined> {
  const present = await Promise.all(IMAGE_PROCESSOR_FILES.map((file) => files.has(file)));
  return present.includes(true) ? (await readProcessorFiles(files)).imageProcessor.json : undefined;
}

/** SigLIP's: the whole picture at the tower's size, bicubic, values from -1 to 1. */
function plainProcessor({ imageShape: [channels, height, width] }: VisionEncoder): Json {
  if (channels !== 3)
    throw new ConfigError(`encoder: takes ${channels} channels; expected 3, which pictures have.`);
  const half = [0.5, 0.5, 0.5];
  return {
    ...{ image_processor_type: 'SiglipImageProcessor', size: { height, width } },
    ...{ image_mean: half, image_std: half },
  };
}
