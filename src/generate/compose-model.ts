import { parseImageProcessor } from '../image/image-processor.ts';
import { composeVlm } from '../models/compose/compose-vlm.ts';
import type { ProjectorChoice } from '../models/compose/projector-choice.ts';
import { composedProcessor } from '../processors/composed.ts';
import type { Processor } from '../processors/processor.ts';
import { withSpecialToken } from '../text/added-token.ts';
import { createTokenizer } from '../text/tokenizer.ts';
import type { Checkpoint } from '../weights/checkpoint.ts';
import type { CheckpointAssets, ProcessorOverrides } from './checkpoint-assets.ts';
import {
  type DecoderPart,
  type EncoderPart,
  type NewDecoder,
  type NewEncoder,
  openDecoder,
  openEncoder,
  openProjector,
  type PartSource,
} from './compose-parts.ts';
import { parseGenerationConfig } from './generation-config.ts';
import { type LoadOptions, startModel } from './load-model.ts';
import { newWeights, type PartName } from './new-weights.ts';
import type { VisionLanguageModel } from './vision-language-model.ts';

/** The parts of a model, and, as in `LoadOptions`, how it is loaded. */
export interface ComposeOptions extends Omit<LoadOptions, 'adapters'> {
  /** A checkpoint with a CLIP or SigLIP tower: alone, of a dual encoder, or of a vision language model. */
  readonly encoder: PartSource | NewEncoder;
  /** The tower's hidden state that is taken; see `EncoderOptions`. */
  readonly featureLayer?: number | undefined;
  readonly projector: ProjectorChoice;
  /** A checkpoint of the projector, alone or in a vision language model. New weights unless given. */
  readonly projectorWeights?: PartSource | undefined;
  /** A checkpoint with a language model, alone or in a vision language model. */
  readonly decoder: PartSource | NewDecoder;
  /** Of new weights; the same gives the same. Default 0. */
  readonly seed?: number | undefined;
  /** What stands for a picture in a prompt's text; added to the vocabulary where it lacks it. Default `<image>`. */
  readonly imageToken?: string | undefined;
}

/**
 * An encoder, a projector and a decoder, of checkpoints or with new weights, as one model that is ready to answer.
 * Throws what `loadModel` throws, ConfigError where the parts do not fit; nothing stays allocated then.
 */
export async function composeModel(options: ComposeOptions): Promise<VisionLanguageModel> {
  const startedMs = performance.now();
  const opened: Checkpoint[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((checkpoint) => checkpoint.close()));
  };
  try {
    const encoder = await openEncoder(options.encoder, options.featureLayer, opened);
    const decoder = await openDecoder(options.decoder, opened);
    const { projectorWeights: source } = options;
    const projector = source === undefined ? undefined : await openProjector(source, opened);
    const assets = assetsOf(encoder, decoder, options);
    const parts = { encoder: encoder.weights, projector, decoder: decoder.weights };
    const names = Object.keys(parts) as PartName[];
    const index = new Map(names.flatMap((name) => [...(parts[name] ?? [])]));
    const missing = names.filter((name) => parts[name] === undefined);
    for (const [name, entry] of newWeights(assets.model, missing, options.seed ?? 0)) index.set(name, entry);
    return await startModel({
      name: assets.model.modelType,
      assets,
      checkpoint: { index, close },
      options,
      startedMs,
    });
  } catch (error) {
    await close();
    throw error;
  }
}

function assetsOf(
  { encoder, imageProcessor }: EncoderPart,
  { decoder, config, text }: DecoderPart,
  { projector, imageToken = '<image>' }: ComposeOptions,
): CheckpointAssets {
  const { json, id } = withSpecialToken(text.tokenizerJson, imageToken, decoder.text.vocabSize);
  const tokenizer = createTokenizer(json, text.tokenizerConfig ?? {});
  const model = composeVlm({ encoder, projector, decoder, imageTokenId: id });
  const createProcessor = (overrides: ProcessorOverrides = {}): Processor =>
    composedProcessor({
      ...{ model, tokenizer, imageToken, chatTemplate: text.chatTemplate },
      image: parseImageProcessor({ ...imageProcessor, ...overrides }),
    });
  createProcessor(); // Bad files are found while composing, not with the first picture.
  return {
    ...{ model, tokenizer, createProcessor },
    // The processor renders it.
    chatTemplate: null,
    generation: parseGenerationConfig(text.generationConfig, config),
  };
}
