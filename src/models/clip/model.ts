import { invariant } from '../../core/errors.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { reshape, slice } from '../../graph/movement.ts';
import { l2Normalize } from '../../graph/reduce.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { DualEncoder } from '../dual-encoder.ts';
import { numPatches, parseClipConfig } from './config.ts';
import { clipLayer } from './encoder-layer.ts';
import { clipText, clipTextPosition } from './text.ts';
import { clipPooledPicture, clipVision } from './vision.ts';

/** CLIPModel (Radford et al. 2021, arXiv 2103.00020). */
export function clipModel(json: ConfigReader): DualEncoder {
  const config = parseClipConfig(json);
  const { text, vision, projectionDim: E } = config;
  return {
    modelType: 'clip',
    embeddingSize: E,
    text: { ...text, padding: 'any' },
    vision: {
      ...vision,
      tokensPerImage: 1 + numPatches(vision),
      imageShape: [vision.numChannels, vision.imageSize, vision.imageSize],
    },
    logitScale: { name: 'logit_scale', shape: [] },
    probability: 'softmax',
    encodeImage(pixelValues, w) {
      const tower = w.scope('vision_model');
      const last = clipVision(pixelValues, vision, tower).at(-1); // [B, 1 + P, C]
      invariant(last, 'the vision tower has no hidden state');
      const pooled = clipPooledPicture(last.named('vision.last_hidden_state'), vision, tower); // [B, C]
      const projected = linear(pooled, w.get('visual_projection.weight', [E, vision.hiddenSize]));
      // The reference calls the projected state its pooler output.
      return l2Normalize(projected.named('vision.pooler_output')).named('image_embeds'); // [B, E]
    },
    encodePatches(pixelValues, w) {
      const tower = w.scope('vision_model');
      const before = clipVision(pixelValues, vision, tower).at(-2); // [1, 1 + P, C]
      invariant(before, 'the vision tower has a layer');
      const { hiddenSize: C, numHiddenLayers, imageSize, patchSize } = vision;
      // Each token as a picture of its own, whose last attention then sees that token alone.
      const alone = reshape(before, [1 + numPatches(vision), 1, C]);
      const layer = tower.scope(`encoder.layers.${numHiddenLayers - 1}`);
      const pooled = clipPooledPicture(clipLayer(alone, vision, layer, { causal: false }), vision, tower);
      const projected = linear(pooled, w.get('visual_projection.weight', [E, C])); // [1 + P, E]
      const side = Math.floor(imageSize / patchSize);
      return { patches: l2Normalize(slice(projected, 0, 1)), rows: side, columns: side };
    },
    encodeText(ids, pooledRows, w, dtype) {
      const { hiddenSize: C } = text;
      const [B = 1, S = 1] = ids.shape;
      const states = reshape(clipText(ids, text, w.scope('text_model'), dtype), [B * S, C]);
      const pooled = embedding(pooledRows, states, { dtype }); // [B, C]
      const projected = linear(pooled, w.get('text_projection.weight', [E, C]));
      return l2Normalize(projected.named('text.pooler_output')).named('text_embeds'); // [B, E]
    },
    pooledPosition: (ids) => clipTextPosition(ids, text),
  };
}
