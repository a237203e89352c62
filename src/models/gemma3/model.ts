import { reshape } from '../../graph/movement.ts';
import { multiModalProjector, textDecoder, textHead, visionTower } from '../blocks/part-scopes.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { Model } from '../model.ts';
import { averagePoolProjector } from '../projectors/average-pool.ts';
import { siglipTower } from '../siglip/vision.ts';
import { parseGemma3Config } from './config.ts';
import { gemma3TextDecoder } from './text-model.ts';

/**
 * Gemma 3 (Gemma Team 2025, arXiv 2503.19786): squares of a SigLIP tower's patches, averaged, are tokens of the decoder.
 * Reference: Gemma3ForConditionalGeneration in transformers.
 */
export function gemma3Model(json: ConfigReader): Model {
  const { vision, text, mmTokensPerImage, imageTokenId } = parseGemma3Config(json);
  const decoder = gemma3TextDecoder(text);
  const { hiddenSize: C } = decoder.text;
  const projector = {
    visionHiddenSize: vision.hiddenSize,
    textHiddenSize: C,
    numTokens: mmTokensPerImage,
    normEps: vision.layerNormEps,
  };
  return {
    modelType: 'gemma3',
    text: decoder.text,
    vision: {
      imageTokenId,
      featureWidth: C,
      typicalLayout: {
        tile: { kind: 'image', shape: [vision.numChannels, vision.imageSize, vision.imageSize] },
        tiles: 1,
        tokens: mmTokensPerImage,
      },
    },
    encodeTile(pixelValues, _tile, w) {
      const patches = siglipTower(pixelValues, vision, visionTower(w)); // [1, P, Cv]
      const tokens = averagePoolProjector(patches, projector, multiModalProjector(w)); // [1, T, C]
      return reshape(tokens, [mmTokensPerImage, C]).named('projector.output');
    },
    embedTokens: (ids, w, dtype) => decoder.embedTokens(ids, textDecoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => decoder.decode(inputsEmbeds, textDecoder(w), pass),
    logits: (hiddenStates, w) => decoder.logits(hiddenStates, textDecoder(w), textHead(w)),
  };
}
