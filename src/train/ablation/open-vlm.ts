import { ConfigError } from '../../core/errors.ts';
import { PART_PREFIXES } from '../../models/compose/compose-vlm.ts';
import { decoderWeights, towerWeights } from '../../models/compose/part-weights.ts';
import { clipEncoder, readEncoder, type VisionEncoder } from '../../models/compose/vision-encoder.ts';
import { readConfig } from '../../models/config-reader.ts';
import type { Model } from '../../models/model.ts';
import { createModel } from '../../models/registry.ts';
import { openCheckpoint } from '../../weights/checkpoint.ts';
import { readJson } from '../../weights/checkpoint-files.ts';
import { folderFiles } from '../../weights/checkpoint-folder.ts';
import type { TensorIndex } from '../../weights/safetensors.ts';
import {
  type Architecture,
  type DecoderChoice,
  type DecoderSizes,
  type EncoderChoice,
  isCheckpoint,
} from './architecture.ts';
import type { Task } from './task.ts';
import { createVlm, type Vlm } from './vlm.ts';
import { WORDS } from './words.ts';

/** An architecture with the weights that its checkpoints bring. */
export interface OpenedVlm {
  readonly vlm: Vlm;
  /** By the names a composed model gives them. */
  readonly loaded: TensorIndex;
  /** Names of the weights that are trained. */
  readonly trainable: RegExp;
  close(): Promise<void>;
}

/** Reads configs and headers alone. Throws ConfigError where parts do not fit, InputError and WeightError for bad folders. */
export async function openVlm(architecture: Architecture, task: Task): Promise<OpenedVlm> {
  const opened: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((checkpoint) => checkpoint.close()));
  };
  try {
    const { encoder, decoder, ...rest } = architecture;
    const tower = isCheckpoint(encoder)
      ? await openPart(encoder.checkpoint, opened, readTower, towerWeights)
      : { part: newEncoder(encoder, task.imageSize), weights: new Map() };
    const language = isCheckpoint(decoder)
      ? await openPart(decoder.checkpoint, opened, readDecoder, decoderWeights)
      : { part: newDecoder(decoder), weights: new Map() };
    return {
      vlm: createVlm({ ...rest, encoder: tower.part, decoder: language.part }, task),
      loaded: new Map([...tower.weights, ...language.weights]),
      trainable: trainablePattern(architecture),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openPart<T>(
  folder: string,
  opened: { close(): Promise<void> }[],
  read: (config: unknown, where: string) => T,
  weightsOf: (index: TensorIndex, where: string) => TensorIndex,
): Promise<{ readonly part: T; readonly weights: TensorIndex }> {
  const files = await folderFiles(folder);
  const part = read(await readJson(files, 'config.json'), `${files.name}: config.json`);
  const checkpoint = await openCheckpoint(files);
  opened.push(checkpoint);
  return { part, weights: weightsOf(checkpoint.index, files.name) };
}

/** The tower of a CLIPModel, all but its last layer, as LLaVA takes it. */
const readTower = (config: unknown, where: string): VisionEncoder =>
  readEncoder(readConfig(config, where).object('vision_config'));

function readDecoder(config: unknown, where: string): Model {
  const decoder = createModel(config, where);
  if (decoder.text.vocabSize !== WORDS.length) {
    throw new ConfigError(
      `${where}: the decoder has ${decoder.text.vocabSize} tokens; expected the ${WORDS.length} of ablations. Take one that teachDecoder wrote.`,
    );
  }
  return decoder;
}

const newEncoder = (
  { width, layers, heads, patchSize }: Exclude<EncoderChoice, { checkpoint: string }>,
  imageSize: number,
) =>
  clipEncoder(
    {
      hiddenSize: width,
      intermediateSize: 2 * width,
      numHiddenLayers: layers,
      numAttentionHeads: heads,
      numChannels: 3,
      imageSize,
      patchSize,
      hiddenAct: 'quick_gelu',
      layerNormEps: 1e-5,
    },
    { featureLayer: -1 },
  );

const newDecoder = (sizes: DecoderSizes): Model => createModel(decoderConfig(sizes), 'ablation: decoder');

/** config.json of a decoder of these sizes: a LlamaForCausalLM of transformers. */
export const decoderConfig = ({ width, layers, heads }: DecoderSizes): Readonly<Record<string, unknown>> => ({
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  bos_token_id: 0,
  dtype: 'float32',
  eos_token_id: 1,
  hidden_act: 'silu',
  hidden_size: width,
  intermediate_size: 2 * width,
  max_position_embeddings: 512,
  mlp_bias: false,
  model_type: 'llama',
  num_attention_heads: heads,
  num_hidden_layers: layers,
  num_key_value_heads: heads,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: true,
  vocab_size: WORDS.length,
});

/** The projector and what the contrastive losses learn always; the towers where they are new or `trained`. */
function trainablePattern({ encoder, decoder }: Architecture): RegExp {
  const isTrained = (choice: EncoderChoice | DecoderChoice): boolean =>
    !isCheckpoint(choice) || choice.trained === true;
  const names = [
    PART_PREFIXES.projector,
    'logit',
    ...(isTrained(encoder) ? [PART_PREFIXES.encoder] : []),
    ...(isTrained(decoder) ? [PART_PREFIXES.decoder] : []),
  ];
  return new RegExp(`^(${names.join('|').replaceAll('.', '\\.')})`);
}
