import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { concat, reshape, slice } from '../../graph/movement.ts';
import { patchify } from '../../graph/patchify.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import { type ClipVisionConfig, numPatches } from './config.ts';
import { clipLayer, clipNorm } from './encoder-layer.ts';

/**
 * CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020; ViT: Dosovitskiy et al. 2020, arXiv 2010.11929).
 * Reference: CLIPVisionTransformer in transformers.
 * pixelValues [B, 3, H, W] → hidden states: after `pre_layrnorm`, then after each layer, all [B, 1 + P, C].
 * The class token is row 0. No final norm: that belongs to the pooled output, `clipPooledPicture`.
 */
export function clipVision(pixelValues: Tensor, config: ClipVisionConfig, w: Parameters): readonly Tensor[] {
  const { graph } = pixelValues;
  let x = clipEmbeddings(pixelValues, config, w.scope('embeddings'));
  x = clipNorm(x, config, w, 'pre_layrnorm').named('vision.hidden_states.0');
  const hiddenStates = [x];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`vision.layers.${layer}`, () =>
      clipLayer(x, config, w.scope(`encoder.layers.${layer}`), { causal: false }),
    );
    hiddenStates.push(x.named(`vision.hidden_states.${layer + 1}`));
  }
  return hiddenStates;
}

/** The class token's last state, normed: what contrastive models project. [B, 1 + P, C] → [B, C] */
export function clipPooledPicture(lastHiddenState: Tensor, config: ClipVisionConfig, w: Parameters): Tensor {
  const [B = 1] = lastHiddenState.shape;
  const classToken = reshape(slice(lastHiddenState, 1, 0, 1), [B, config.hiddenSize]);
  return clipNorm(classToken, config, w, 'post_layernorm');
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
