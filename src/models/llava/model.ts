import { invariant } from '../../core/errors.ts';
import { concat, reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { multiModalProjector, textDecoder, textHead, visionTower } from '../blocks/part-scopes.ts';
import { clipVision } from '../clip/vision.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llamaDecoder } from '../llama/decoder.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { type LlavaConfig, parseLlavaConfig, tokensPerImage } from './config.ts';
import { llavaProjector } from './projector.ts';

/** LlavaForConditionalGeneration, in the tensor names of transformers 4.x and 5.x files. */
export function llavaModel(json: ConfigReader): Model {
  const config = parseLlavaConfig(json);
  const { vision, text } = config;
  return {
    modelType: 'llava',
    text: textInfo(text),
    vision: {
      imageTokenId: config.imageTokenId,
      featureWidth: text.hiddenSize,
      typicalLayout: {
        tile: { kind: 'image', shape: [vision.numChannels, vision.imageSize, vision.imageSize] },
        tiles: 1,
        tokens: tokensPerImage(config),
      },
    },
    encodeTile(pixelValues, _tile, w) {
      const tower = visionTower(w);
      tower.skip('post_layernorm'); // Norm of the pooled output, which no VLM reads.
      const hiddenStates = clipVision(pixelValues, vision, tower);
      const features = selectFeatures(hiddenStates, config);
      return llavaProjector(features, config, multiModalProjector(w)).named('projector.output');
    },
    embedTokens: (ids, w, dtype) => embedTokens(ids, text, textDecoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => llamaDecoder(inputsEmbeds, text, textDecoder(w), pass),
    logits: (hiddenStates, w) =>
      llamaHead(hiddenStates, text, textDecoder(w), textHead(w), config.tieWordEmbeddings),
  };
}

/** The chosen layers of one picture, joined along the width. [1, 1 + P, Cv] each → [tokens, Cv * layers] */
function selectFeatures(hiddenStates: readonly Tensor[], config: LlavaConfig): Tensor {
  const chosen = config.visionFeatureLayers.map((layer) => {
    const state = hiddenStates[layer];
    invariant(state, `the tower has no hidden state ${layer}`);
    return state;
  });
  hiddenStates.at(-1)?.named('vision.last_hidden_state');
  const selected = chosen.length === 1 && chosen[0] ? chosen[0] : concat(chosen, -1);
  selected.named('vision.selected_layer');
  const [, rows = 0, width = 0] = selected.shape;
  const kept = config.visionFeatureSelectStrategy === 'default' ? slice(selected, 1, 1, rows) : selected;
  return reshape(kept, [tokensPerImage(config), width]);
}
