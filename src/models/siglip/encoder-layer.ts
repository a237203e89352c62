import { attention } from '../../graph/attention.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import type { Parameters } from '../parameters.ts';

export interface SiglipLayerConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numAttentionHeads: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
}

/**
 * Pre-norm transformer layer, the same in both towers. Reference: SiglipEncoderLayer.
 * x [B, S, C] → [B, S, C]; mask [1, 1, S, S] is added to the scores.
 */
export function siglipLayer(x: Tensor, config: SiglipLayerConfig, w: Parameters, mask?: Tensor): Tensor {
  const attended = add(
    x,
    siglipAttention(siglipNorm(x, config, w, 'layer_norm1'), config, w.scope('self_attn'), mask),
  );
  return add(attended, siglipMlp(siglipNorm(attended, config, w, 'layer_norm2'), config, w.scope('mlp')));
}

/** Full self-attention. x [B, S, C] → [B, S, C] */
function siglipAttention(x: Tensor, config: SiglipLayerConfig, w: Parameters, mask?: Tensor): Tensor {
  const { hiddenSize: C, numAttentionHeads: H } = config;
  const [B = 1, S = 1] = x.shape;
  const project = (name: string, input: Tensor): Tensor =>
    linear(input, w.get(`${name}.weight`, [C, C]), { bias: w.get(`${name}.bias`, [C]) });
  const heads = (name: string): Tensor => reshape(project(name, x), [B, S, H, C / H]);
  const y = attention(heads('q_proj'), heads('k_proj'), heads('v_proj'), { mask }); // [B, S, H, D]
  return project('out_proj', reshape(y, [B, S, C]));
}

/** fc2(act(fc1(x))). x [B, S, C] → [B, S, C] */
export function siglipMlp(x: Tensor, config: SiglipLayerConfig, w: Parameters): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct: activation } = config;
  const fc1 = linear(x, w.get('fc1.weight', [F, C]), { bias: w.get('fc1.bias', [F]), activation }); // [B, S, F]
  return linear(fc1, w.get('fc2.weight', [C, F]), { bias: w.get('fc2.bias', [C]) });
}

export const siglipNorm = (x: Tensor, config: SiglipLayerConfig, w: Parameters, name: string): Tensor =>
  layerNorm(
    x,
    w.get(`${name}.weight`, [config.hiddenSize]),
    w.get(`${name}.bias`, [config.hiddenSize]),
    config.layerNormEps,
  );
