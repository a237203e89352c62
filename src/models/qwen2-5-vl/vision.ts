import type { Graph } from '../../graph/graph.ts';
import { add } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { axialRope, mergeOrder, type PatchGrid, type TokenRope } from '../blocks/axial-rope.ts';
import { gatedMlp } from '../blocks/gated-mlp.ts';
import { gatherRows } from '../blocks/gather-rows.ts';
import { packedAttention } from '../blocks/packed-attention.ts';
import type { Parameters } from '../parameters.ts';
import { patchMerger, SEQUENTIAL_MERGER } from '../projectors/patch-merger.ts';
import { embedPatches } from '../qwen2-vl/vision.ts';
import { type Qwen25VlVisionConfig, windowSide } from './config.ts';
import { windowOrder } from './window-order.ts';

/** Fixed in the reference. */
const NORM_EPS = 1e-6;

/**
 * Qwen2.5-VL's vision transformer and merger (Bai et al. 2025, arXiv 2502.13923, section 2.1) on one slice of time:
 * patches stand in the order of their windows from the first layer to the merger.
 * Reference: Qwen2_5_VisionTransformerPretrainedModel in transformers. pixelValues [1, P, values] → [P / merge², C]
 */
export function qwen25VlVision(
  pixelValues: Tensor,
  grid: PatchGrid,
  config: Qwen25VlVisionConfig,
  w: Parameters,
): Tensor {
  const { graph } = pixelValues;
  const { hiddenSize: C, spatialMergeSize, fullattBlockIndexes } = config;
  const windows = windowConstants(graph, grid, config);
  const patches = embedPatches(pixelValues, C, config, w); // [1, P, C]
  let x = gatherRows(reshape(patches, patches.shape.slice(1)), windows.order); // [1, P, C]
  for (let layer = 0; layer < config.depth; layer++) {
    const span = fullattBlockIndexes.includes(layer) ? undefined : windows.span;
    x = graph.scope(`vision.blocks.${layer}`, () =>
      visionBlock(x, config, w.scope(`blocks.${layer}`), windows.tables, span),
    );
  }
  x.named('vision.last_hidden_state_window_order');
  const merger = {
    hiddenSize: C,
    outHiddenSize: config.outHiddenSize,
    spatialMergeSize,
    norm: 'rms',
    normEps: NORM_EPS,
    normOf: 'patch',
    names: SEQUENTIAL_MERGER,
  } as const;
  const merged = patchMerger(reshape(x, x.shape.slice(1)), merger, w.scope('merger')); // [P / merge², C]
  return gatherRows(merged, windows.inverse).named('projector.output');
}

/** x [1, P, C] → [1, P, C] */
function visionBlock(
  x: Tensor,
  config: Qwen25VlVisionConfig,
  w: Parameters,
  tables: TokenRope,
  span: Tensor | undefined,
): Tensor {
  const norm = (input: Tensor, name: string): Tensor =>
    rmsNorm(input, w.get(`${name}.weight`, [config.hiddenSize]), NORM_EPS);
  const attended = add(x, packedAttention(norm(x, 'norm1'), config, w.scope('attn'), tables, span));
  const mlp = gatedMlp(norm(attended, 'norm2'), { ...config, mlpBias: true }, w.scope('mlp'));
  return add(attended, mlp);
}

interface WindowConstants {
  /** Number of each patch in the order without windows, [1, P]. */
  readonly order: Tensor;
  /** Place of each merged patch in the order of windows, [P / merge²]. */
  readonly inverse: Tensor;
  /** First and last patch of each patch's window, [1, P, 2]. */
  readonly span: Tensor;
  readonly tables: TokenRope;
}

/** The order of windows for one grid, counted in patches where layers see them, in merged patches behind the merger. */
function windowConstants(graph: Graph, grid: PatchGrid, config: Qwen25VlVisionConfig): WindowConstants {
  const { spatialMergeSize: merge, ropeTheta: theta, hiddenSize, numHeads } = config;
  const unit = merge ** 2;
  const [rows, columns] = grid;
  const windows = windowOrder([rows / merge, columns / merge], windowSide(config));
  const P = rows * columns;
  const order = Uint32Array.from({ length: P }, (_, i) => {
    return (windows.order[Math.floor(i / unit)] ?? 0) * unit + (i % unit);
  });
  const span = Uint32Array.from({ length: 2 * P }, (_, i) => {
    return (windows.spans[2 * Math.floor(i / (2 * unit)) + (i % 2)] ?? 0) * unit;
  });
  const merged = mergeOrder(grid, merge);
  const places = {
    rows: order.map((patch) => merged.rows[patch] ?? 0),
    columns: order.map((patch) => merged.columns[patch] ?? 0),
  };
  const name = (part: string): string => `vision.window.${part}.${rows}x${columns}`;
  return {
    order: graph.constant(name('order'), order, [1, P]),
    inverse: graph.constant(name('inverse'), windows.inverse, [P / unit]),
    span: graph.constant(name('span'), span, [1, P, 2]),
    tables: axialRope(graph, { theta, headDim: hiddenSize / numHeads }, places, grid),
  };
}
