import { attention } from '../../graph/attention.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import type { Parameters } from '../parameters.ts';

export interface ClipLayerConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numAttentionHeads: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
}

export interface ClipLayerOptions {
  /** Each token sees those up to itself: the text tower. */
  readonly causal: boolean;
}

/** Pre-norm transformer layer of either tower. Reference: CLIPEncoderLayer. x [B, S, C] → [B, S, C] */
export function clipLayer(
  x: Tensor,
  config: ClipLayerConfig,
  w: Parameters,
  options: ClipLayerOptions,
): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct } = config;
  const h1 = clipNorm(x, config, w, 'layer_norm1');
  const attended = add(x, clipAttention(h1, config, w.scope('self_attn'), options));
  const h2 = clipNorm(attended, config, w, 'layer_norm2');
  const fc1 = linear(h2, w.get('mlp.fc1.weight', [F, C]), {
    bias: w.get('mlp.fc1.bias', [F]),
    activation: hiddenAct,
  }); // [B, S, F]
  const fc2 = linear(fc1, w.get('mlp.fc2.weight', [C, F]), { bias: w.get('mlp.fc2.bias', [C]) });
  return add(attended, fc2);
}

/** Self-attention. x [B, S, C] → [B, S, C] */
function clipAttention(
  x: Tensor,
  config: ClipLayerConfig,
  w: Parameters,
  { causal }: ClipLayerOptions,
): Tensor {
  const { hiddenSize: C, numAttentionHeads: H } = config;
  const [B = 1, S = 1] = x.shape;
  const project = (name: string, input: Tensor): Tensor =>
    linear(input, w.get(`${name}.weight`, [C, C]), { bias: w.get(`${name}.bias`, [C]) });
  const heads = (name: string): Tensor => reshape(project(name, x), [B, S, H, C / H]);
  const y = attention(heads('q_proj'), heads('k_proj'), heads('v_proj'), { causal }); // [B, S, H, D]
  return project('out_proj', reshape(y, [B, S, C]));
}

export const clipNorm = (x: Tensor, config: ClipLayerConfig, w: Parameters, name: string): Tensor =>
  layerNorm(
    x,
    w.get(`${name}.weight`, [config.hiddenSize]),
    w.get(`${name}.bias`, [config.hiddenSize]),
    config.layerNormEps,
  );
