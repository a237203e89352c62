import { add } from '../../graph/math.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import { groupedQueryAttention } from '../blocks/grouped-query-attention.ts';
import { type RopeTensors, ropeTensors } from '../blocks/rope-tensors.ts';
import type { LlamaConfig } from '../llama/config.ts';
import type { DecoderPass } from '../model.ts';
import type { Parameters } from '../parameters.ts';

/**
 * Gemma's decoder (Gemma Team 2024, arXiv 2403.08295): Llama's with norms that scale by 1 + weight.
 * Reference: GemmaModel in transformers. inputsEmbeds [B, S, C] → [B, S, C] after the final norm.
 */
export function gemmaDecoder(
  inputsEmbeds: Tensor,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
): Tensor {
  const { graph } = inputsEmbeds;
  const tables = pass.rope ?? ropeTensors(graph, config.rope, pass.capacity);
  let x = inputsEmbeds.named('hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`layers.${layer}`, () =>
      gemmaLayer(x, layer, config, w.scope(`layers.${layer}`), pass, tables),
    );
    if (layer < config.numHiddenLayers - 1) x.named(`hidden_states.${layer + 1}`);
  }
  return norm(x, config, w, 'norm').named(`hidden_states.${config.numHiddenLayers}`);
}

/** x [B, S, C] → [B, S, C] */
function gemmaLayer(
  x: Tensor,
  layer: number,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const h = norm(x, config, w, 'input_layernorm');
  const attended = add(x, groupedQueryAttention(h, layer, config, w.scope('self_attn'), pass, tables)).named(
    'attention',
  );
  return add(
    attended,
    gatedMlp(norm(attended, config, w, 'post_attention_layernorm'), config, w.scope('mlp')),
  );
}

const norm = (x: Tensor, config: LlamaConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [config.hiddenSize]), config.rmsNormEps, { offset: 1 });
