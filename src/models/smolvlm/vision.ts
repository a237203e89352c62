import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { dim } from '../../core/shape.ts';
import { embedding } from '../../graph/embedding.ts';
import type { Graph } from '../../graph/graph.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { patchify } from '../../graph/patchify.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { TileLayout } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import type { SiglipVisionConfig } from '../siglip/config.ts';
import { siglipLayer } from '../siglip/encoder-layer.ts';
import { siglipLastHiddenState } from '../siglip/vision.ts';
import { patchPositions } from './patch-positions.ts';

/** A score that no softmax sees. */
const HIDDEN = -1e30;

/**
 * SigLIP's vision transformer for pictures of any size, padded at the right and bottom or not. Reference:
 * SmolVLMVisionTransformer in transformers. pixelValues [1, 3, H, W] → last hidden state [1, P, C], after
 * `post_layernorm`, padding included.
 */
export function smolVlmVision(
  pixelValues: Tensor,
  tile: TileLayout,
  config: SiglipVisionConfig,
  w: Parameters,
): Tensor {
  const { graph } = pixelValues;
  const grid = patchGrid(tile, config);
  const real = tile.realPatches ?? grid;
  let x = embeddings(pixelValues, grid, real, config, w.scope('embeddings')).named('vision.hidden_states.0');
  const mask = patchMask(graph, grid, real);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    x = graph
      .scope(`vision.layers.${layer}`, () => siglipLayer(x, config, w.scope(`encoder.layers.${layer}`), mask))
      .named(`vision.hidden_states.${layer + 1}`);
  }
  return siglipLastHiddenState(x, config, w);
}

type Grid = readonly [rows: number, columns: number];

/** Patches by row and column; pixels beyond the last whole patch are dropped. */
function patchGrid({ shape }: TileLayout, { patchSize }: SiglipVisionConfig): Grid {
  return [Math.floor(dim(shape, 1) / patchSize), Math.floor(dim(shape, 2) / patchSize)];
}

/** Patches and learned positions. [1, 3, H, W] → [1, P, C] */
function embeddings(
  pixelValues: Tensor,
  grid: Grid,
  real: Grid,
  config: SiglipVisionConfig,
  w: Parameters,
): Tensor {
  const { hiddenSize: C, numChannels, patchSize, imageSize } = config;
  const { graph, dtype } = pixelValues;
  invariant(isFloat(dtype), `pixel values are ${dtype}`);
  const side = Math.floor(imageSize / patchSize);
  const P = grid[0] * grid[1];
  const kernel = w.get('patch_embedding.weight', [C, numChannels, patchSize, patchSize]);
  const patches = linear(
    patchify(pixelValues, { patchSize }),
    reshape(kernel, [C, numChannels * patchSize ** 2]),
    { bias: w.get('patch_embedding.bias', [C]) },
  ); // [1, P, C]
  const name = `vision.position_ids.${nameOf(grid, real)}`;
  const ids = graph.constant(name, patchPositions(grid, real, side), [1, P]);
  const positions = embedding(ids, w.get('position_embedding.weight', [side ** 2, C]), { dtype }); // [1, P, C]
  return add(patches, positions);
}

/** Constants of other values need other names. */
const nameOf = (grid: Grid, real: Grid): string => `${grid.join('x')}.${real.join('x')}`;

/** Hides padding from all patches, [1, 1, P, P]; none where there is no padding. */
function patchMask(graph: Graph, [rows, columns]: Grid, [realRows, realColumns]: Grid): Tensor | undefined {
  if (rows === realRows && columns === realColumns) return undefined;
  const P = rows * columns;
  const isReal = (patch: number): boolean =>
    Math.floor(patch / columns) < realRows && patch % columns < realColumns;
  const row = Float32Array.from({ length: P }, (_, patch) => (isReal(patch) ? 0 : HIDDEN));
  const mask = new Float32Array(P * P);
  for (let query = 0; query < P; query++) mask.set(row, query * P);
  return graph.constant(`vision.patch_mask.${nameOf([rows, columns], [realRows, realColumns])}`, mask, [
    1,
    1,
    P,
    P,
  ]);
}
