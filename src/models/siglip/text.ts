import type { FloatDType } from '../../core/dtype.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { SiglipTextConfig } from './config.ts';
import { siglipLayer, siglipNorm } from './encoder-layer.ts';

/**
 * SigLIP's text transformer (Zhai et al. 2023, arXiv 2303.15343). Reference: SiglipTextTransformer in transformers.
 * Every token sees every other, padding too: the model was trained on texts padded to their full length.
 * ids [B, S] u32 → last hidden state after `final_layer_norm` [B, S, C].
 */
export function siglipText(ids: Tensor, config: SiglipTextConfig, w: Parameters, dtype: FloatDType): Tensor {
  const { graph } = ids;
  let x = siglipTextEmbeddings(ids, config, w.scope('embeddings'), dtype).named('text.hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`text.layers.${layer}`, () => siglipLayer(x, config, w.scope(`encoder.layers.${layer}`)));
    x.named(`text.hidden_states.${layer + 1}`);
  }
  return siglipNorm(x, config, w, 'final_layer_norm').named('text.last_hidden_state');
}

/** The pooled token's state in the width of the pictures. [B, C] → [B, projectionSize] */
export function siglipTextHead(pooled: Tensor, config: SiglipTextConfig, w: Parameters): Tensor {
  const { hiddenSize: C, projectionSize } = config;
  return linear(pooled, w.get('head.weight', [projectionSize, C]), {
    bias: w.get('head.bias', [projectionSize]),
  });
}

/** Token and learned position embeddings. ids [B, S] → [B, S, C] */
function siglipTextEmbeddings(
  ids: Tensor,
  config: SiglipTextConfig,
  w: Parameters,
  dtype: FloatDType,
): Tensor {
  const { hiddenSize: C, vocabSize: V, maxPositionEmbeddings } = config;
  const [, S = 1] = ids.shape;
  const tokens = embedding(ids, w.get('token_embedding.weight', [V, C]), { dtype });
  const positions = slice(w.get('position_embedding.weight', [maxPositionEmbeddings, C]), 0, 0, S);
  return add(tokens, positions);
}
