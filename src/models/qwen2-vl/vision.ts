import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { axialRope, mergeOrder, type PatchGrid, type TokenRope } from '../blocks/axial-rope.ts';
import { packedAttention } from '../blocks/packed-attention.ts';
import type { Parameters } from '../parameters.ts';
import { patchMerger, SEQUENTIAL_MERGER } from '../projectors/patch-merger.ts';
import type { PatchConfig, Qwen2VlVisionConfig } from './config.ts';

/** Fixed in the reference. */
const NORM_EPS = 1e-6;

/**
 * Qwen2-VL's vision transformer and merger (Wang et al. 2024, arXiv 2409.12191, section 2.1) on one slice of time.
 * Reference: Qwen2VisionTransformerPretrainedModel in transformers. pixelValues [1, P, values] → [P / merge², C]
 */
export function qwen2VlVision(
  pixelValues: Tensor,
  grid: PatchGrid,
  config: Qwen2VlVisionConfig,
  w: Parameters,
): Tensor {
  const { graph } = pixelValues;
  const { embedDim, numHeads, spatialMergeSize } = config;
  const places = mergeOrder(grid, spatialMergeSize);
  const tables = axialRope(graph, { theta: config.ropeTheta, headDim: embedDim / numHeads }, places, grid);
  let x = embedPatches(pixelValues, embedDim, config, w); // [1, P, Cv]
  for (let layer = 0; layer < config.depth; layer++) {
    x = graph.scope(`vision.blocks.${layer}`, () =>
      visionBlock(x, config, w.scope(`blocks.${layer}`), tables),
    );
  }
  x.named('vision.last_hidden_state');
  const merger = {
    hiddenSize: embedDim,
    outHiddenSize: config.hiddenSize,
    spatialMergeSize,
    norm: 'layer',
    normEps: NORM_EPS,
    normOf: 'patch',
    names: SEQUENTIAL_MERGER,
  } as const;
  return patchMerger(reshape(x, x.shape.slice(1)), merger, w.scope('merger')).named('projector.output');
}

/** A convolution over whole patches: one matrix, since each row of pixel values is a patch. [1, P, values] → [1, P, Cv] */
export function embedPatches(
  pixelValues: Tensor,
  width: number,
  config: PatchConfig,
  w: Parameters,
  bias?: Tensor,
): Tensor {
  const { inChannels, temporalPatchSize, patchSize } = config;
  const kernel = [width, inChannels, temporalPatchSize, patchSize, patchSize];
  const weight = w.get('patch_embed.proj.weight', kernel);
  return linear(pixelValues, reshape(weight, [width, patchValues(config)]), bias ? { bias } : {});
}

/** Values of one patch: a row of pixel values. */
export const patchValues = ({ inChannels, temporalPatchSize, patchSize }: PatchConfig): number =>
  inChannels * temporalPatchSize * patchSize ** 2;

/** x [1, P, Cv] → [1, P, Cv] */
function visionBlock(x: Tensor, config: Qwen2VlVisionConfig, w: Parameters, tables: TokenRope): Tensor {
  const { embedDim: C, numHeads } = config;
  const norm = (input: Tensor, name: string): Tensor =>
    layerNorm(input, w.get(`${name}.weight`, [C]), w.get(`${name}.bias`, [C]), NORM_EPS);
  const attended = add(
    x,
    packedAttention(norm(x, 'norm1'), { hiddenSize: C, numHeads }, w.scope('attn'), tables),
  );
  return add(attended, mlp(norm(attended, 'norm2'), config, w.scope('mlp')));
}

/** fc2(act(fc1(x))). x [1, P, Cv] → [1, P, Cv] */
function mlp(x: Tensor, config: Qwen2VlVisionConfig, w: Parameters): Tensor {
  const { embedDim: C, hiddenAct: activation } = config;
  const F = Math.trunc(C * config.mlpRatio);
  const fc1 = linear(x, w.get('fc1.weight', [F, C]), { bias: w.get('fc1.bias', [F]), activation }); // [1, P, F]
  return linear(fc1, w.get('fc2.weight', [C, F]), { bias: w.get('fc2.bias', [C]) });
}
