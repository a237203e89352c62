import type { FloatDType } from '../../core/dtype.ts';
import { embedding } from '../../graph/embedding.ts';
import { add } from '../../graph/math.ts';
import { slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { ClipTextConfig } from './config.ts';
import { clipLayer, clipNorm } from './encoder-layer.ts';

/**
 * CLIP's text transformer (Radford et al. 2021, arXiv 2103.00020, section 2.4). Reference: CLIPTextTransformer in
 * transformers. Causal, so what a text is padded with after its end token changes nothing up to there.
 * ids [B, S] u32 → last hidden state after `final_layer_norm` [B, S, C].
 */
export function clipText(ids: Tensor, config: ClipTextConfig, w: Parameters, dtype: FloatDType): Tensor {
  const { graph } = ids;
  let x = clipTextEmbeddings(ids, config, w.scope('embeddings'), dtype).named('text.hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`text.layers.${layer}`, () =>
      clipLayer(x, config, w.scope(`encoder.layers.${layer}`), { causal: true }),
    );
    x.named(`text.hidden_states.${layer + 1}`);
  }
  return clipNorm(x, config, w, 'final_layer_norm').named('text.last_hidden_state');
}

/** Token and learned position embeddings. ids [B, S] → [B, S, C] */
function clipTextEmbeddings(ids: Tensor, config: ClipTextConfig, w: Parameters, dtype: FloatDType): Tensor {
  const { hiddenSize: C, vocabSize: V, maxPositionEmbeddings } = config;
  const [, S = 1] = ids.shape;
  const tokens = embedding(ids, w.get('token_embedding.weight', [V, C]), { dtype });
  const positions = slice(w.get('position_embedding.weight', [maxPositionEmbeddings, C]), 0, 0, S);
  return add(tokens, positions);
}

/**
 * The token whose state stands for the whole text: the end token. Every original checkpoint's config says that the end
 * token were 2; the reference then takes the largest id, which in CLIP's vocabulary is the end token.
 */
export function clipTextPosition(ids: readonly number[], { eosTokenId }: ClipTextConfig): number {
  if (eosTokenId === 2) return ids.reduce((best, id, i) => (id > (ids[best] ?? -1) ? i : best), 0);
  return Math.max(ids.indexOf(eosTokenId), 0);
}
