import { add } from '../../graph/math.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import { groupedQueryAttention } from '../blocks/grouped-query-attention.ts';
import { type RopeTensors, ropeTensors } from '../blocks/rope-tensors.ts';
import type { DecoderPass } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import type { Gemma3TextConfig } from './text-config.ts';

/**
 * Gemma 3's decoder (Gemma Team 2025, arXiv 2503.19786): Gemma 2's with norms of queries and keys in place of bounds, and
 * rotary frequencies of their own in layers with a window. Reference: Gemma3TextModel in transformers.
 * inputsEmbeds [B, S, C] → [B, S, C] after the final norm.
 */
export function gemma3Decoder(
  inputsEmbeds: Tensor,
  config: Gemma3TextConfig,
  w: Parameters,
  pass: DecoderPass,
): Tensor {
  const { graph } = inputsEmbeds;
  const full = ropeTensors(graph, config.ropes.full, pass.capacity, 'full');
  const sliding = ropeTensors(graph, config.ropes.sliding, pass.capacity, 'sliding');
  let x = inputsEmbeds.named('hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const tables = config.slidingWindows[layer] === null ? full : sliding;
    x = graph.scope(`layers.${layer}`, () =>
      gemma3Layer(x, layer, config, w.scope(`layers.${layer}`), pass, tables),
    );
    if (layer < config.numHiddenLayers - 1) x.named(`hidden_states.${layer + 1}`);
  }
  return norm(x, config.hiddenSize, config, w, 'norm').named(`hidden_states.${config.numHiddenLayers}`);
}

/** x [B, S, C] → [B, S, C] */
function gemma3Layer(
  x: Tensor,
  layer: number,
  config: Gemma3TextConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const { hiddenSize: C, headDim: D } = config;
  const attention = w.scope('self_attn');
  const h = norm(x, C, config, w, 'input_layernorm');
  const y = groupedQueryAttention(h, layer, config, attention, pass, tables, {
    scale: 1 / Math.sqrt(config.queryPreAttnScalar),
    normHeads: (heads, name) => norm(heads, D, config, attention, name),
  });
  const attended = add(x, norm(y, C, config, w, 'post_attention_layernorm')).named('attention');
  const mlp = gatedMlp(norm(attended, C, config, w, 'pre_feedforward_layernorm'), config, w.scope('mlp'));
  return add(attended, norm(mlp, C, config, w, 'post_feedforward_layernorm'));
}

const norm = (x: Tensor, width: number, config: Gemma3TextConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [width]), config.rmsNormEps, { offset: 1 });
