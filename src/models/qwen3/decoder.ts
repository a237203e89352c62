import { add } from '../../graph/math.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import { groupedQueryAttention } from '../blocks/grouped-query-attention.ts';
import { type RopeTensors, ropeTensors } from '../blocks/rope-tensors.ts';
import type { LlamaConfig } from '../llama/config.ts';
import type { DecoderPass } from '../model.ts';
import type { Parameters } from '../parameters.ts';

/** What a layer leaves, before the next one takes it. */
export type AfterLayer = (x: Tensor, layer: number) => Tensor;

/**
 * Qwen3's decoder (Qwen Team 2025, arXiv 2505.09388) over a KV cache: Llama's with norms on queries and keys.
 * Reference: Qwen3Model in transformers. inputsEmbeds [B, S, C] → [B, S, C] after the final norm.
 */
export function qwen3Decoder(
  inputsEmbeds: Tensor,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  afterLayer: AfterLayer = (x) => x,
): Tensor {
  const { graph } = inputsEmbeds;
  const tables = pass.rope ?? ropeTensors(graph, config.rope, pass.capacity);
  let x = inputsEmbeds.named('hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const y = graph.scope(`layers.${layer}`, () =>
      qwen3Layer(x, layer, config, w.scope(`layers.${layer}`), pass, tables),
    );
    x = afterLayer(y, layer);
    if (layer < config.numHiddenLayers - 1) x.named(`hidden_states.${layer + 1}`);
  }
  return norm(x, config.hiddenSize, config, w, 'norm').named(`hidden_states.${config.numHiddenLayers}`);
}

/** x [B, S, C] → [B, S, C] */
function qwen3Layer(
  x: Tensor,
  layer: number,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const { hiddenSize: C, headDim: D } = config;
  const attention = w.scope('self_attn');
  const h = norm(x, C, config, w, 'input_layernorm');
  const y = groupedQueryAttention(h, layer, config, attention, pass, tables, {
    normHeads: (heads, name) => norm(heads, D, config, attention, name),
  });
  const attended = add(x, y).named('attention');
  return add(
    attended,
    gatedMlp(norm(attended, C, config, w, 'post_attention_layernorm'), config, w.scope('mlp')),
  );
}

const norm = (x: Tensor, width: number, config: LlamaConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [width]), config.rmsNormEps);
