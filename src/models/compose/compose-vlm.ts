import { ConfigError } from '../../core/errors.ts';
import { reshape } from '../../graph/movement.ts';
import type { Model } from '../model.ts';
import type { Projector, ProjectorChoice } from './projector-choice.ts';
import type { VisionEncoder } from './vision-encoder.ts';

/** The three parts of a vision language model, as graph functions. */
export interface VlmParts {
  readonly encoder: VisionEncoder;
  readonly projector: ProjectorChoice;
  /** A language model. */
  readonly decoder: Model;
  /** The token id that each image feature replaces; the first beyond the decoder's vocabulary unless told. */
  readonly imageTokenId?: number | undefined;
}

/** Where the weights of each part lie: as in LLaVA checkpoints of transformers 4.x. */
export const PART_PREFIXES = {
  encoder: 'vision_tower.vision_model',
  projector: 'multi_modal_projector',
  decoder: 'language_model',
} as const;

/**
 * Any vision encoder, any projector and any language model as one vision language model: features of a picture take the
 * places of as many image tokens (LLaVA, Liu et al. 2023, arXiv 2304.08485, section 4.1).
 * Throws ConfigError where the parts do not fit.
 */
export function composeVlm(parts: VlmParts): Model {
  const { encoder, decoder } = parts;
  const { hiddenSize: C, vocabSize } = decoder.text;
  if (decoder.vision) {
    throw new ConfigError(
      `composeVlm: the decoder ${decoder.modelType} has a vision tower of its own; expected a language model. Take its text_config.`,
    );
  }
  const projector = projectorOf(parts);
  return {
    modelType: `${encoder.name}+${projector.name}+${decoder.modelType}`,
    text: decoder.text,
    ...(decoder.mrope && { mrope: decoder.mrope }),
    vision: {
      imageTokenId: parts.imageTokenId ?? vocabSize,
      featureWidth: C,
      typicalLayout: {
        tile: { kind: 'image', shape: encoder.imageShape },
        tiles: 1,
        tokens: projector.tokens,
      },
    },
    encodeTile(pixelValues, _tile, w) {
      const features = encoder.encode(pixelValues, w.scope(PART_PREFIXES.encoder)); // [1, P, Cv]
      const tokens = projector.project(features, w.scope(PART_PREFIXES.projector)); // [1, T, C]
      return reshape(tokens, [projector.tokens, C]).named('projector.output');
    },
    embedTokens: (ids, w, dtype) => decoder.embedTokens(ids, w.scope(PART_PREFIXES.decoder), dtype),
    decode: (inputsEmbeds, w, pass) => decoder.decode(inputsEmbeds, w.scope(PART_PREFIXES.decoder), pass),
    logits: (hiddenStates, w) => decoder.logits(hiddenStates, w.scope(PART_PREFIXES.decoder)),
  };
}

/** Image tokens of one picture. Throws ConfigError where the projector does not fit the encoder. */
export const tokensPerImage = (parts: Pick<VlmParts, 'encoder' | 'projector' | 'decoder'>): number =>
  projectorOf(parts).tokens;

const projectorOf = ({
  encoder,
  projector,
  decoder,
}: Pick<VlmParts, 'encoder' | 'projector' | 'decoder'>): Projector =>
  projector({
    visionHiddenSize: encoder.hiddenSize,
    textHiddenSize: decoder.text.hiddenSize,
    patchGrid: encoder.patchGrid,
  });
