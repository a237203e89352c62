import { add } from '../../graph/math.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import { groupedQueryAttention } from '../blocks/grouped-query-attention.ts';
import { type RopeTensors, ropeTensors } from '../blocks/rope-tensors.ts';
import type { DecoderPass } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import type { Gemma2Config } from './config.ts';

/**
 * Gemma 2's decoder (Gemma Team 2024, arXiv 2408.00118): norms on both sides of attention and MLP, bounded scores, and a
 * window in every other layer. Reference: Gemma2Model in transformers. inputsEmbeds [B, S, C] → [B, S, C] after the
 * final norm.
 */
export function gemma2Decoder(
  inputsEmbeds: Tensor,
  config: Gemma2Config,
  w: Parameters,
  pass: DecoderPass,
): Tensor {
  const { graph } = inputsEmbeds;
  const tables = pass.rope ?? ropeTensors(graph, config.rope, pass.capacity);
  let x = inputsEmbeds.named('hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`layers.${layer}`, () =>
      gemma2Layer(x, layer, config, w.scope(`layers.${layer}`), pass, tables),
    );
    if (layer < config.numHiddenLayers - 1) x.named(`hidden_states.${layer + 1}`);
  }
  return norm(x, config, w, 'norm').named(`hidden_states.${config.numHiddenLayers}`);
}

/** x [B, S, C] → [B, S, C] */
function gemma2Layer(
  x: Tensor,
  layer: number,
  config: Gemma2Config,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const h = norm(x, config, w, 'input_layernorm');
  const y = groupedQueryAttention(h, layer, config, w.scope('self_attn'), pass, tables, {
    scale: 1 / Math.sqrt(config.queryPreAttnScalar),
    softcap: config.attnLogitSoftcapping,
  });
  const attended = add(x, norm(y, config, w, 'post_attention_layernorm')).named('attention');
  const mlp = gatedMlp(norm(attended, config, w, 'pre_feedforward_layernorm'), config, w.scope('mlp'));
  return add(attended, norm(mlp, config, w, 'post_feedforward_layernorm'));
}

const norm = (x: Tensor, config: Gemma2Config, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [config.hiddenSize]), config.rmsNormEps, { offset: 1 });
