import type { FloatDType } from '../../core/dtype.ts';
import { attention } from '../../graph/attention.ts';
import { cacheAppend } from '../../graph/cache-append.ts';
import { linear } from '../../graph/linear.ts';
import { activation, add, mul } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { rmsNorm } from '../../graph/norm.ts';
import { rope } from '../../graph/rope.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { ropeTables } from '../blocks/rope-tables.ts';
import type { Parameters } from '../parameters.ts';
import type { LlamaConfig } from './config.ts';

/** What a decoder pass needs besides its embeddings. */
export interface DecoderPass {
  /** Rotary position of each row, [B, S] u32. */
  readonly positions: Tensor;
  /** Tokens already in the cache, [B] u32. */
  readonly past: Tensor;
  /** Tokens the cache can hold. */
  readonly capacity: number;
  readonly kvCacheDType: FloatDType;
}

/**
 * Llama's decoder (Touvron et al. 2023, arXiv 2307.09288) over a KV cache; Qwen2 is the same with other config fields.
 * Reference: LlamaModel in transformers. inputsEmbeds [B, S, C] → [B, S, C] after the final norm.
 */
export function llamaDecoder(
  inputsEmbeds: Tensor,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
): Tensor {
  const { graph } = inputsEmbeds;
  const { cos, sin } = ropeTables(config.rope, pass.capacity);
  const tableShape = [pass.capacity, config.rope.rotaryDim / 2];
  const tables: RopeTensors = {
    cos: graph.constant(`rope.cos.${pass.capacity}`, cos, tableShape),
    sin: graph.constant(`rope.sin.${pass.capacity}`, sin, tableShape),
  };
  let x = inputsEmbeds.named('hidden_states.0');
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`layers.${layer}`, () =>
      llamaLayer(x, layer, config, w.scope(`layers.${layer}`), pass, tables),
    );
    if (layer < config.numHiddenLayers - 1) x.named(`hidden_states.${layer + 1}`);
  }
  return norm(x, config, w, 'norm').named(`hidden_states.${config.numHiddenLayers}`);
}

interface RopeTensors {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

function llamaLayer(
  x: Tensor,
  layer: number,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const h = norm(x, config, w, 'input_layernorm');
  const attended = add(x, llamaAttention(h, layer, config, w.scope('self_attn'), pass, tables)).named(
    'attention',
  );
  return add(
    attended,
    llamaMlp(norm(attended, config, w, 'post_attention_layernorm'), config, w.scope('mlp')),
  ); // [B, S, C]
}

/** Grouped-query attention with rotary positions. x [B, S, C] → [B, S, C] */
function llamaAttention(
  x: Tensor,
  layer: number,
  config: LlamaConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
): Tensor {
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const [B = 1, S = 1] = x.shape;
  const heads = (name: string, count: number): Tensor =>
    reshape(biasedLinear(x, w, name, [count * D, C], config.qkvBias), [B, S, count, D]);
  const q = rope(heads('q_proj', H), tables.cos, tables.sin, pass.positions); // [B, S, H, D]
  const k = rope(heads('k_proj', K), tables.cos, tables.sin, pass.positions); // [B, S, K, D]
  const v = heads('v_proj', K); // [B, S, K, D]

  const cacheShape = [B, pass.capacity, K, D];
  const { graph } = x;
  const keys = cacheAppend(graph.state(`kv.${layer}.key`, cacheShape, pass.kvCacheDType), k, pass.past);
  const values = cacheAppend(graph.state(`kv.${layer}.value`, cacheShape, pass.kvCacheDType), v, pass.past);

  const y = attention(q, keys, values, {
    causal: true,
    past: pass.past,
    slidingWindow: config.slidingWindows[layer] ?? null,
  }); // [B, S, H, D]
  return biasedLinear(reshape(y, [B, S, H * D]), w, 'o_proj', [C, H * D], config.outputBias);
}

/** SwiGLU (Shazeer 2020, arXiv 2002.05202): down(act(gate(x)) * up(x)). [B, S, C] → [B, S, C] */
function llamaMlp(x: Tensor, config: LlamaConfig, w: Parameters): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct, mlpBias } = config;
  const gate = activation(biasedLinear(x, w, 'gate_proj', [F, C], mlpBias), hiddenAct); // [B, S, F]
  const up = biasedLinear(x, w, 'up_proj', [F, C], mlpBias); // [B, S, F]
  return biasedLinear(mul(gate, up), w, 'down_proj', [C, F], mlpBias);
}

function biasedLinear(
  x: Tensor,
  w: Parameters,
  name: string,
  shape: readonly [out: number, input: number],
  bias: boolean,
): Tensor {
  const weight = w.get(`${name}.weight`, shape);
  return linear(x, weight, bias ? { bias: w.get(`${name}.bias`, [shape[0]]) } : {});
}

const norm = (x: Tensor, config: LlamaConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [config.hiddenSize]), config.rmsNormEps);
