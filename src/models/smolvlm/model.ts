import { dim } from '../../core/shape.ts';
import { reshape } from '../../graph/movement.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llamaDecoder } from '../llama/decoder.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { pixelShuffleProjector } from '../projectors/pixel-shuffle.ts';
import { parseSmolVlmConfig, tokensPerTile } from './config.ts';
import { smolVlmVision } from './vision.ts';

/**
 * SmolVLMForConditionalGeneration (Marafioti et al. 2025, arXiv 2504.05299) and Idefics3ForConditionalGeneration
 * (Laurençon et al. 2024, arXiv 2408.12637), which are the same but for their names. A picture is cut into square tiles;
 * the tower and the connector see each by itself.
 */
export function smolVlmModel(json: ConfigReader): Model {
  const config = parseSmolVlmConfig(json);
  const { vision, text } = config;
  const { imageSize } = vision;
  return {
    modelType: json.string('model_type'),
    text: textInfo(text),
    vision: {
      imageTokenId: config.imageTokenId,
      featureWidth: text.hiddenSize,
      typicalLayout: {
        tile: { kind: 'image', shape: [vision.numChannels, imageSize, imageSize] },
        tiles: 1,
        tokens: tokensPerTile(config, imageSize) ?? 0,
      },
    },
    encodeTile(pixelValues, tile, w) {
      const lastHiddenState = smolVlmVision(pixelValues, tile, vision, w.scope('model.vision_model'));
      const sizes = {
        visionHiddenSize: vision.hiddenSize,
        textHiddenSize: text.hiddenSize,
        scaleFactor: config.scaleFactor,
      };
      const features = pixelShuffleProjector(lastHiddenState, sizes, w.scope('model.connector')); // [1, T, C]
      return reshape(features, [dim(features.shape, 1), text.hiddenSize]).named('projector.output');
    },
    embedTokens: (ids, w, dtype) => embedTokens(ids, text, decoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => llamaDecoder(inputsEmbeds, text, decoder(w), pass),
    logits: (hiddenStates, w) => llamaHead(hiddenStates, text, decoder(w), w, config.tieWordEmbeddings),
  };
}

const decoder = (w: Parameters): Parameters => w.scope('model.text_model');
