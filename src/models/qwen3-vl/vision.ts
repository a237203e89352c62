import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { add, mul } from '../../graph/math.ts';
import { concat, reshape } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import {
  axialRope,
  mergeOrder,
  type PatchGrid,
  type PatchPlaces,
  type TokenRope,
} from '../blocks/axial-rope.ts';
import { packedAttention } from '../blocks/packed-attention.ts';
import type { Parameters } from '../parameters.ts';
import { NAMED_MERGER, type PatchMergerConfig, patchMerger } from '../projectors/patch-merger.ts';
import { embedPatches } from '../qwen2-vl/vision.ts';
import { deepstackLayers, type Qwen3VlVisionConfig } from './config.ts';
import { tableTaps } from './position-table.ts';

/** Fixed in the reference. */
const NORM_EPS = 1e-6;

/**
 * Qwen3-VL's vision transformer and mergers (Qwen Team 2025, arXiv 2511.21631) on one slice of time. Beside the features
 * of the last layer stand those of the deepstack layers (Meng et al. 2024, arXiv 2406.04334), one after another.
 * Reference: Qwen3VLVisionModel in transformers. pixelValues [1, P, values] → [P / merge², C * (1 + deepstack layers)]
 */
export function qwen3VlVision(
  pixelValues: Tensor,
  grid: PatchGrid,
  config: Qwen3VlVisionConfig,
  w: Parameters,
): Tensor {
  const { graph } = pixelValues;
  const { hiddenSize: C, numHeads, spatialMergeSize, ropeTheta: theta } = config;
  const places = mergeOrder(grid, spatialMergeSize);
  const tables = axialRope(graph, { theta, headDim: C / numHeads }, places, grid);
  const patches = embedPatches(pixelValues, C, config, w, w.get('patch_embed.proj.bias', [C])); // [1, P, C]
  let x = add(patches, positions(patches, grid, places, config, w));
  const merge = (normOf: PatchMergerConfig['normOf'], name: string): Tensor =>
    patchMerger(reshape(x, x.shape.slice(1)), mergerConfig(config, normOf), w.scope(name));

  const deepstack = deepstackLayers(config);
  const deeper: Tensor[] = [];
  for (let layer = 0; layer < config.depth; layer++) {
    x = graph.scope(`vision.blocks.${layer}`, () =>
      visionBlock(x, config, w.scope(`blocks.${layer}`), tables),
    );
    const level = deepstack.find((chosen) => chosen.layer === layer);
    if (!level) continue;
    const features = merge('joined', `deepstack_merger_list.${level.merger}`);
    deeper.push(features.named(`vision.deepstack_features.${deeper.length}`));
  }
  x.named('vision.last_hidden_state');
  const features = merge('patch', 'merger').named('projector.output');
  return deeper.length === 0 ? features : concat([features, ...deeper], 1);
}

const mergerConfig = (
  config: Qwen3VlVisionConfig,
  normOf: PatchMergerConfig['normOf'],
): PatchMergerConfig => ({
  hiddenSize: config.hiddenSize,
  outHiddenSize: config.outHiddenSize,
  spatialMergeSize: config.spatialMergeSize,
  norm: 'layer',
  normEps: NORM_EPS,
  normOf,
  names: NAMED_MERGER,
});

/** The learned table of positions, interpolated to the grid. → [1, P, C] */
function positions(
  patches: Tensor,
  grid: PatchGrid,
  places: PatchPlaces,
  { hiddenSize: C, numPositionEmbeddings }: Qwen3VlVisionConfig,
  w: Parameters,
): Tensor {
  const { graph } = patches;
  const P = places.rows.length;
  const table = w.get('pos_embed.weight', [numPositionEmbeddings, C]);
  const side = Math.floor(Math.sqrt(numPositionEmbeddings));
  const { indices, weights } = tableTaps(side, grid, places);
  const name = (part: string, corner: number): string =>
    `vision.positions.${part}${corner}.${grid.join('x')}`;
  const corners = indices.map((index, corner) => {
    const rows = embedding(graph.constant(name('index', corner), index, [1, P]), table, { dtype: 'f32' });
    const weight = graph.constant(name('weight', corner), weights[corner] ?? new Float32Array(), [1, P, 1]);
    return mul(rows, weight);
  });
  return corners.reduce(add);
}

/** x [1, P, C] → [1, P, C] */
function visionBlock(x: Tensor, config: Qwen3VlVisionConfig, w: Parameters, tables: TokenRope): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct: activation } = config;
  const norm = (input: Tensor, name: string): Tensor =>
    layerNorm(input, w.get(`${name}.weight`, [C]), w.get(`${name}.bias`, [C]), NORM_EPS);
  const attended = add(x, packedAttention(norm(x, 'norm1'), config, w.scope('attn'), tables));
  const mlp = w.scope('mlp');
  const fc1 = linear(norm(attended, 'norm2'), mlp.get('linear_fc1.weight', [F, C]), {
    bias: mlp.get('linear_fc1.bias', [F]),
    activation,
  }); // [1, P, F]
  return add(
    attended,
    linear(fc1, mlp.get('linear_fc2.weight', [C, F]), { bias: mlp.get('linear_fc2.bias', [C]) }),
  );
}
