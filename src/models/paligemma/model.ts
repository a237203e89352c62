import { reshape } from '../../graph/movement.ts';
import { biasedLinear } from '../blocks/biased-linear.ts';
import { multiModalProjector, textDecoder, textHead, visionTower } from '../blocks/part-scopes.ts';
import type { ConfigReader } from '../config-reader.ts';
import { gemmaTextDecoder } from '../gemma/model.ts';
import { gemma2TextDecoder } from '../gemma2/model.ts';
import type { Model } from '../model.ts';
import { numPatches } from '../siglip/config.ts';
import { siglipTower } from '../siglip/vision.ts';
import type { TextDecoder } from '../text-decoder.ts';
import { type PaliGemmaTextConfig, parsePaliGemmaConfig } from './config.ts';

/**
 * PaliGemma (Beyer et al. 2024, arXiv 2407.07726) and PaliGemma 2 (Steiner et al. 2024, arXiv 2412.03555): each patch of
 * a SigLIP tower is one token of Gemma or Gemma 2.
 * Reference: PaliGemmaForConditionalGeneration in transformers. Features take the places of embeddings that are scaled
 * already, and are not scaled themselves.
 */
export function paliGemmaModel(json: ConfigReader): Model {
  const config = parsePaliGemmaConfig(json);
  const { vision } = config;
  const decoder = textDecoderOf(config.text);
  const { hiddenSize: C } = decoder.text;
  const P = numPatches(vision);
  return {
    modelType: 'paligemma',
    text: decoder.text,
    vision: {
      imageTokenId: config.imageTokenId,
      featureWidth: C,
      typicalLayout: {
        tile: { kind: 'image', shape: [vision.numChannels, vision.imageSize, vision.imageSize] },
        tiles: 1,
        tokens: P,
      },
    },
    encodeTile(pixelValues, _tile, w) {
      const patches = siglipTower(pixelValues, vision, visionTower(w)); // [1, P, Cv]
      const features = biasedLinear(patches, multiModalProjector(w), 'linear', [C, vision.hiddenSize], true); // [1, P, C]
      return reshape(features, [P, C]).named('projector.output');
    },
    embedTokens: (ids, w, dtype) => decoder.embedTokens(ids, textDecoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => decoder.decode(inputsEmbeds, textDecoder(w), pass),
    logits: (hiddenStates, w) => decoder.logits(hiddenStates, textDecoder(w), textHead(w)),
  };
}

const textDecoderOf = (text: PaliGemmaTextConfig): TextDecoder =>
  text.modelType === 'gemma' ? gemmaTextDecoder(text.config) : gemma2TextDecoder(text.config);
