import { attention } from '../../graph/attention.ts';
import { cacheAppend } from '../../graph/cache-append.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { rmsNorm } from '../../graph/norm.ts';
import { rope } from '../../graph/rope.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { biasedLinear } from '../blocks/biased-linear.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
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
  const { hiddenSize: C } = config;
  const h = norm(x, C, config, w, 'input_layernorm');
  const attended = add(x, normedAttention(h, layer, config, w.scope('self_attn'), pass, tables)).named(
    'attention',
  );
  return add(
    attended,
    gatedMlp(norm(attended, C, config, w, 'post_attention_layernorm'), config, w.scope('mlp')),
  );
}

/** Causal attention in groups, each head of queries and keys normed before it turns. x [B, S, C] → [B, S, C] */
function normedAttention(
  x: Tensor,
  layer: number,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const { graph } = x;
  const [B = 1, S = 1] = x.shape;
  const heads = (name: string, count: number): Tensor =>
    reshape(biasedLinear(x, w, name, [count * D, C], config.qkvBias), [B, S, count, D]);
  const turned = (name: string, count: number): Tensor =>
    rope(
      norm(heads(`${name}_proj`, count), D, config, w, `${name}_norm`),
      tables.cos,
      tables.sin,
      pass.positions,
    );
  const q = turned('q', H); // [B, S, H, D]
  const k = turned('k', K); // [B, S, K, D]
  const v = heads('v_proj', K); // [B, S, K, D]

  const cache = (name: string): Tensor =>
    graph.state(`kv.${layer}.${name}`, [B, pass.capacity, K, D], pass.kvCacheDType);
  const keys = cacheAppend(cache('key'), k, pass.past); // [B, T, K, D]
  const values = cacheAppend(cache('value'), v, pass.past); // [B, T, K, D]

  const slidingWindow = config.slidingWindows[layer] ?? null;
  const y = attention(q, keys, values, { causal: true, past: pass.past, span: pass.span, slidingWindow });
  return biasedLinear(reshape(y, [B, S, H * D]), w, 'o_proj', [C, H * D], config.outputBias);
}

const norm = (x: Tensor, width: number, config: LlamaConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [width]), config.rmsNormEps);
