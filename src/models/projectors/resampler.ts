import { dim } from '../../core/shape.ts';
import { attention } from '../../graph/attention.ts';
import { linear } from '../../graph/linear.ts';
import { activation, add, mul } from '../../graph/math.ts';
import { concat, reshape } from '../../graph/movement.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import type { Parameters } from '../parameters.ts';

export interface ResamplerConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the decoder, and of the latents. */
  readonly textHiddenSize: number;
  /** Width within the gated MLP that takes patches to the decoder's width. */
  readonly intermediateSize: number;
  /** Image tokens. */
  readonly numLatents: number;
  readonly depth: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly hiddenAct: Activation;
  readonly rmsNormEps: number;
}

/** Width within a layer's MLP, by that of the latents. */
const EXPANSION = 4;

/**
 * A fixed number of image tokens that look at the patches: learned latents, which in each layer attend to patches and
 * latents together (Perceiver resampler: Flamingo, Alayrac et al. 2022, arXiv 2204.14198, appendix A.1.1; as in Idefics 2,
 * Laurençon et al. 2024, arXiv 2405.02246, section 3.1: RMS norms, gated MLPs, grouped queries, no positions).
 * Reference: Idefics2Connector in transformers. Weights: `modality_projection`, `perceiver_resampler`.
 * features [B, P, Cv] → [B, numLatents, C]
 */
export function resampler(features: Tensor, config: ResamplerConfig, w: Parameters): Tensor {
  const { textHiddenSize: C, numLatents } = config;
  const context = modalityProjection(features, config, w.scope('modality_projection')); // [B, P, C]
  const r = w.scope('perceiver_resampler');
  const learned = reshape(r.get('latents', [numLatents, C]), [1, numLatents, C]);
  let latents = concat(new Array<Tensor>(dim(features.shape, 0)).fill(learned), 0); // [B, numLatents, C]
  for (let layer = 0; layer < config.depth; layer++)
    latents = resamplerLayer(latents, context, config, r.scope(`layers.${layer}`));
  return norm(latents, config, r, 'norm');
}

/** Gated MLP into the decoder's width. features [B, P, Cv] → [B, P, C] */
function modalityProjection(features: Tensor, config: ResamplerConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, textHiddenSize: C, intermediateSize: F, hiddenAct } = config;
  const gate = activation(linear(features, w.get('gate_proj.weight', [F, Cv])), hiddenAct); // [B, P, F]
  const up = linear(features, w.get('up_proj.weight', [F, Cv])); // [B, P, F]
  return linear(mul(gate, up), w.get('down_proj.weight', [C, F]));
}

/** latents [B, T, C], context [B, P, C] → [B, T, C] */
function resamplerLayer(latents: Tensor, context: Tensor, config: ResamplerConfig, w: Parameters): Tensor {
  const { textHiddenSize: C, hiddenAct } = config;
  const queries = norm(latents, config, w, 'input_latents_norm');
  const seen = concat([norm(context, config, w, 'input_context_norm'), queries], 1); // [B, P + T, C]
  const attended = add(latents, crossAttention(queries, seen, config, w.scope('self_attn')));
  const mlp = { hiddenSize: C, intermediateSize: EXPANSION * C, hiddenAct, mlpBias: false };
  return add(attended, gatedMlp(norm(attended, config, w, 'post_attention_layernorm'), mlp, w.scope('mlp')));
}

/** queries [B, T, C], seen [B, N, C] → [B, T, C] */
function crossAttention(queries: Tensor, seen: Tensor, config: ResamplerConfig, w: Parameters): Tensor {
  const { textHiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const heads = (x: Tensor, name: string, count: number): Tensor =>
    reshape(linear(x, w.get(`${name}.weight`, [count * D, C])), [dim(x.shape, 0), dim(x.shape, 1), count, D]);
  const y = attention(heads(queries, 'q_proj', H), heads(seen, 'k_proj', K), heads(seen, 'v_proj', K)); // [B, T, H, D]
  const joined = reshape(y, [dim(y.shape, 0), dim(y.shape, 1), H * D]);
  return linear(joined, w.get('o_proj.weight', [C, H * D]));
}

const norm = (x: Tensor, config: ResamplerConfig, w: Parameters, name: string): Tensor =>
  rmsNorm(x, w.get(`${name}.weight`, [config.textHiddenSize]), config.rmsNormEps);
