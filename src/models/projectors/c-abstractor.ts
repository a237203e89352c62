import { ConfigError, ShapeError } from '../../core/errors.ts';
import { dim, formatShape } from '../../core/shape.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { slice } from '../../graph/movement.ts';
import { adaptiveAvgPool2d } from '../../graph/pooling.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { Parameters } from '../parameters.ts';
import { regStage, toMap, toRows } from './reg-stage.ts';

export interface CAbstractorConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the ResNet blocks. */
  readonly hiddenSize: number;
  /** Width of the decoder. */
  readonly textHiddenSize: number;
  /** Rows and columns of image tokens. */
  readonly tokenGrid: Size2d;
  /** ResNet blocks before the pooling, and as many after it; 3 in the paper. */
  readonly depth: number;
  /** Layers of the last MLP; 2 in the paper. */
  readonly mlpDepth: number;
  /** Entries of the learned positions: one per patch, or one more, for a class token, which is not read. 0: none. */
  readonly numPositions: number;
}

/**
 * Image tokens of any number that keep their neighbourhood: ResNet blocks, adaptive average pooling, ResNet blocks,
 * and an MLP (Honeybee, Cha et al. 2023, arXiv 2312.06742, section 4.1 and figure 4). The pooling's parts may overlap,
 * so the grid of tokens need not divide that of patches. Weights: `pos_emb`, `net.0`, `net.2`, `readout`.
 * features [B, P, Cv], row by row and without class token → [B, rows * columns, C].
 * Throws ShapeError where P is not square or does not fit the learned positions.
 */
export function cAbstractor(features: Tensor, config: CAbstractorConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, hiddenSize, tokenGrid, depth } = config;
  const side = Math.sqrt(dim(features.shape, 1));
  if (!Number.isInteger(side)) {
    throw new ShapeError(
      `cAbstractor: features are ${formatShape(features.shape)}; expected a square number of patches.`,
    );
  }
  const first = regStage(
    addPositions(features, config, w),
    { depth, inChannels: Cv, outChannels: hiddenSize, grid: [side, side] },
    w.scope('net.0'),
  );
  const map = toMap(first, [side, side]).named('projector.after_stage1'); // [B, hiddenSize, √P, √P]
  const pooled = adaptiveAvgPool2d(map, tokenGrid).named('projector.after_pool'); // [B, hiddenSize, rows, columns]
  const second = regStage(
    toRows(pooled),
    { depth, inChannels: hiddenSize, outChannels: hiddenSize, grid: tokenGrid },
    w.scope('net.2'),
  ).named('projector.after_stage2'); // [B, T, hiddenSize]
  return readout(second, config, w);
}

/**
 * The rows and columns, as near to a square as they come, of any number of tokens: 144 is 12 × 12, 12 is 3 × 4.
 * Throws ConfigError for what is no positive integer.
 */
export function tokenGrid(tokens: number): Size2d {
  if (!Number.isSafeInteger(tokens) || tokens < 1)
    throw new ConfigError(`cAbstractor: tokens is ${tokens}; expected a positive integer.`);
  let rows = Math.floor(Math.sqrt(tokens));
  while (tokens % rows !== 0) rows--;
  return [rows, tokens / rows];
}

/** features [B, P, Cv] → like features */
function addPositions(features: Tensor, config: CAbstractorConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, numPositions } = config;
  if (numPositions === 0) return features;
  const P = dim(features.shape, 1);
  const classTokens = numPositions - P;
  if (classTokens !== 0 && classTokens !== 1) {
    throw new ShapeError(
      `cAbstractor: features are ${formatShape(features.shape)} for ${numPositions} learned positions; expected ` +
        `${P}, or ${P + 1} with a class token.`,
    );
  }
  return add(features, slice(w.get('pos_emb', [1, numPositions, Cv]), 1, classTokens));
}

/** Linear layers with SiLU between. x [B, T, C'] → [B, T, C] */
function readout(x: Tensor, { textHiddenSize: C, mlpDepth }: CAbstractorConfig, w: Parameters): Tensor {
  let y = x;
  for (let layer = 0; layer < mlpDepth; layer++) {
    // Between two layers of the reference's sequence lies an activation, so they are numbered 0, 2, 4, ...
    const name = `readout.${2 * layer}`;
    y = linear(y, w.get(`${name}.weight`, [C, dim(y.shape, -1)]), {
      bias: w.get(`${name}.bias`, [C]),
      activation: layer < mlpDepth - 1 ? 'silu' : undefined,
    });
  }
  return y;
}
