import { invariant } from '../../core/errors.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { patchify } from '../../graph/patchify.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import { numPatches, type SiglipVisionConfig } from './config.ts';
import { siglipLayer, siglipNorm } from './encoder-layer.ts';

/**
 * SigLIP's vision transformer (Zhai et al. 2023, arXiv 2303.15343). Reference: SiglipVisionTransformer in transformers.
 * pixelValues [B, 3, H, W] → hidden states: the embeddings, then after each layer, all [B, P, C]. There is no class
 * token. None has gone through `post_layernorm`: a caller that wants that one takes `siglipLastHiddenState`.
 */
export function siglipVision(
  pixelValues: Tensor,
  config: SiglipVisionConfig,
  w: Parameters,
): readonly Tensor[] {
  const { graph } = pixelValues;
  let x = siglipEmbeddings(pixelValues, config, w.scope('embeddings')).named('vision.hidden_states.0');
  const hiddenStates = [x];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph.scope(`vision.layers.${layer}`, () =>
      siglipLayer(x, config, w.scope(`encoder.layers.${layer}`)),
    );
    hiddenStates.push(x.named(`vision.hidden_states.${layer + 1}`));
  }
  return hiddenStates;
}

/** The tower of a vision language model, which reads all patches and no pooling head. [B, 3, H, W] → [B, P, C] */
export function siglipTower(pixelValues: Tensor, config: SiglipVisionConfig, w: Parameters): Tensor {
  w.skip('head');
  const last = siglipVision(pixelValues, config, w).at(-1);
  invariant(last, 'the vision tower has no hidden state');
  return siglipLastHiddenState(last, config, w);
}

/** The last of `siglipVision`'s states after `post_layernorm`: the tower's `last_hidden_state`. [B, P, C] → [B, P, C] */
export const siglipLastHiddenState = (x: Tensor, config: SiglipVisionConfig, w: Parameters): Tensor =>
  siglipNorm(x, config, w, 'post_layernorm').named('vision.last_hidden_state');

/** Patches and learned positions. [B, 3, H, W] → [B, P, C] */
function siglipEmbeddings(pixelValues: Tensor, config: SiglipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C, numChannels, patchSize } = config;
  const kernel = w.get('patch_embedding.weight', [C, numChannels, patchSize, patchSize]);
  const patches = linear(
    patchify(pixelValues, { patchSize }),
    reshape(kernel, [C, numChannels * patchSize ** 2]),
    { bias: w.get('patch_embedding.bias', [C]) },
  ); // [B, P, C]
  return add(patches, w.get('position_embedding.weight', [numPatches(config), C]));
}
