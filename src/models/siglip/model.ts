import { invariant } from '../../core/errors.ts';
import { embedding } from '../../graph/embedding.ts';
import { reshape } from '../../graph/movement.ts';
import { l2Normalize } from '../../graph/reduce.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { DualEncoder } from '../dual-encoder.ts';
import { numPatches, parseSiglipConfig } from './config.ts';
import { siglipPoolingHead } from './pooling-head.ts';
import { siglipText, siglipTextHead } from './text.ts';
import { siglipLastHiddenState, siglipVision } from './vision.ts';

/** SiglipModel: SigLIP (Zhai et al. 2023, arXiv 2303.15343) and SigLIP 2 of fixed resolution (arXiv 2502.14786). */
export function siglipModel(json: ConfigReader): DualEncoder {
  const { text, vision } = parseSiglipConfig(json);
  return {
    modelType: 'siglip',
    embeddingSize: vision.hiddenSize,
    text: { ...text, padding: 'full' },
    vision: {
      ...vision,
      tokensPerImage: numPatches(vision),
      imageShape: [vision.numChannels, vision.imageSize, vision.imageSize],
    },
    logitScale: { name: 'logit_scale', shape: [1] },
    logitBias: { name: 'logit_bias', shape: [1] },
    probability: 'sigmoid',
    encodeImage(pixelValues, w) {
      const tower = w.scope('vision_model');
      const last = siglipVision(pixelValues, vision, tower).at(-1); // [B, P, C]
      invariant(last, 'the vision tower has no hidden state');
      const normed = siglipLastHiddenState(last, vision, tower);
      const pooled = pixelValues.graph
        .scope('vision.head', () => siglipPoolingHead(normed, vision, tower.scope('head')))
        .named('vision.pooler_output');
      return l2Normalize(pooled).named('image_embeds'); // [B, E]
    },
    encodePatches(pixelValues, w) {
      const tower = w.scope('vision_model');
      const last = siglipVision(pixelValues, vision, tower).at(-1); // [1, P, C]
      invariant(last, 'the vision tower has no hidden state');
      const { hiddenSize: C, imageSize, patchSize } = vision;
      // Each patch as a picture of its own, so that the head's attention sees that patch alone.
      const alone = reshape(siglipLastHiddenState(last, vision, tower), [numPatches(vision), 1, C]);
      const side = Math.floor(imageSize / patchSize);
      const patches = l2Normalize(siglipPoolingHead(alone, vision, tower.scope('head'))); // [P, E]
      return { patches, rows: side, columns: side };
    },
    encodeText(ids, pooledRows, w, dtype) {
      const { hiddenSize: C } = text;
      const [B = 1, S = 1] = ids.shape;
      const tower = w.scope('text_model');
      const states = reshape(siglipText(ids, text, tower, dtype), [B * S, C]);
      const pooled = embedding(pooledRows, states, { dtype }); // [B, C]
      const embedded = siglipTextHead(pooled, text, tower).named('text.pooler_output');
      return l2Normalize(embedded).named('text_embeds'); // [B, E]
    },
    /** The last, be it the end token or padding. */
    pooledPosition: (ids) => ids.length - 1,
  };
}
