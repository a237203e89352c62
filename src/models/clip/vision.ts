import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { attention } from '../../graph/attention.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { concat, reshape } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import { patchify } from '../../graph/patchify.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import { type ClipVisionConfig, numPatches } from './config.ts';

/**
 * CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020; ViT: Dosovitskiy et al. 2020, arXiv 2010.11929).
 * Reference: CLIPVisionTransformer in transformers.
 * pixelValues [B, 3, H, W] → hidden states: after `pre_layrnorm`, then after each layer, all [B, 1 + P, C].
 * The class token is row 0. No final norm: that belongs to the pooled output, which a VLM does not read.
 */
export function clipVision(pixelValues: Tensor, config: ClipVisionConfig, w: Parameters): readonly Tensor[] {
  const { graph } = pixelValues;
  let x = clipEmbeddings(pixelValues, config, w.scope('embeddings'));
  x = norm(x, config, w, 'pre_layrnorm').named('vision.hidden_states.0');
  const hiddenStates = [x];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`vision.layers.${layer}`, () => clipLayer(x, config, w.scope(`encoder.layers.${layer}`)));
    hiddenStates.push(x.named(`vision.hidden_states.${layer + 1}`));
  }
  return hiddenStates;
}

/** Patches, a class token before them, and learned positions. [B, 3, H, W] → [B, 1 + P, C] */
function clipEmbeddings(pixelValues: Tensor, config: ClipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C, numChannels, patchSize } = config;
  const { dtype, shape } = pixelValues;
  const [B = 1] = shape;
  invariant(isFloat(dtype), `pixel values are ${dtype}`);
  const P = numPatches(config);
  const kernel = w.get('patch_embedding.weight', [C, numChannels, patchSize, patchSize]);
  const patches = linear(
    patchify(pixelValues, { patchSize }),
    reshape(kernel, [C, numChannels * patchSize ** 2]),
  ); // [B, P, C]
  // A gather of one row, since a parameter has no batch axis to broadcast.
  const firstRow = pixelValues.graph.constant(`vision.class_rows.${B}`, new Uint32Array(B), [B, 1]);
  const classToken = embedding(firstRow, reshape(w.get('class_embedding', [C]), [1, C]), {
    dtype,
  });
  const positions = w.get('position_embedding.weight', [1 + P, C]);
  return add(concat([classToken, patches], 1), positions); // [B, 1 + P, C]
}

/** Pre-norm transformer layer. x [B, S, C] → [B, S, C] */
function clipLayer(x: Tensor, config: ClipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct } = config;
  const attended = add(x, clipAttention(norm(x, config, w, 'layer_norm1'), config, w.scope('self_attn')));
  const h = norm(attended, config, w, 'layer_norm2');
  const fc1 = linear(h, w.get('mlp.fc1.weight', [F, C]), {
    bias: w.get('mlp.fc1.bias', [F]),
    activation: hiddenAct,
  }); // [B, S, F]
  const fc2 = linear(fc1, w.get('mlp.fc2.weight', [C, F]), { bias: w.get('mlp.fc2.bias', [C]) });
  return add(attended, fc2);
}

/** Full self-attention. x [B, S, C] → [B, S, C] */
function clipAttention(x: Tensor, config: ClipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C, numAttentionHeads: H } = config;
  const [B = 1, S = 1] = x.shape;
  const project = (name: string, input: Tensor): Tensor =>
    linear(input, w.get(`${name}.weight`, [C, C]), { bias: w.get(`${name}.bias`, [C]) });
  const heads = (name: string): Tensor => reshape(project(name, x), [B, S, H, C / H]);
  const y = attention(heads('q_proj'), heads('k_proj'), heads('v_proj')); // [B, S, H, D]
  return project('out_proj', reshape(y, [B, S, C]));
}

const norm = (x: Tensor, config: ClipVisionConfig, w: Parameters, name: string): Tensor =>
  layerNorm(
    x,
    w.get(`${name}.weight`, [config.hiddenSize]),
    w.get(`${name}.bias`, [config.hiddenSize]),
    config.layerNormEps,
  );
