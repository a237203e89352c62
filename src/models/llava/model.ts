import { multiModalProjector, textDecoder, textHead, visionTower } from '../blocks/part-scopes.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llamaDecoder } from '../llama/decoder.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { type LlavaParts, parseLlavaConfig } from './config.ts';
import { linearLlavaProjector, llavaProjector } from './projector.ts';
import { featuresPerTile, llavaFeatures } from './tower.ts';

/** LlavaForConditionalGeneration, in the tensor names of transformers 4.x and 5.x files. */
export function llavaModel(json: ConfigReader): Model {
  const config = parseLlavaConfig(json);
  const { tower, text } = config;
  const { numChannels, imageSize } = tower.vision;
  const project = config.projector === 'linear' ? linearLlavaProjector : llavaProjector;
  return {
    modelType: 'llava',
    vision: {
      imageTokenId: config.imageTokenId,
      featureWidth: text.hiddenSize,
      typicalLayout: {
        tile: { kind: 'image', shape: [numChannels, imageSize, imageSize] },
        tiles: 1,
        tokens: featuresPerTile(tower),
      },
    },
    encodeTile(pixelValues, _tile, w) {
      const features = llavaFeatures(pixelValues, tower, visionTower(w)); // [P, Cv]
      return project(features, config, multiModalProjector(w)).named('projector.output');
    },
    ...llavaDecoder(config),
  };
}

/** The decoder of LLaVA's families, which answers. */
export function llavaDecoder({
  text,
  tieWordEmbeddings,
}: LlavaParts): Pick<Model, 'text' | 'embedTokens' | 'decode' | 'logits'> {
  return {
    text: textInfo(text),
    embedTokens: (ids, w, dtype) => embedTokens(ids, text, textDecoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => llamaDecoder(inputsEmbeds, text, textDecoder(w), pass),
    logits: (hiddenStates, w) =>
      llamaHead(hiddenStates, text, textDecoder(w), textHead(w), tieWordEmbeddings),
  };
}
