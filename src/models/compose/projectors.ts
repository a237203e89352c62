import { ConfigError } from '../../core/errors.ts';
import { blockOrder } from '../../graph/pixel-shuffle.ts';
import { averagePoolProjector } from '../projectors/average-pool.ts';
import { cAbstractor, tokenGrid } from '../projectors/c-abstractor.ts';
import { linearProjector } from '../projectors/linear.ts';
import { mlpProjector } from '../projectors/mlp.ts';
import { type PatchMergerConfig, patchMerger, SEQUENTIAL_MERGER } from '../projectors/patch-merger.ts';
import { pixelShuffleProjector } from '../projectors/pixel-shuffle.ts';
import { type ResamplerConfig, resampler } from '../projectors/resampler.ts';
import type {
  CAbstractorOptions,
  MlpOptions,
  PatchMergerOptions,
  ProjectorChoice,
  ProjectorSizes,
  ResamplerOptions,
} from './projector-choice.ts';

/** The projectors of `src/models/projectors`, with the settings of their papers where nothing else is said. */
export const projectors = {
  /** One matrix, a token for each patch. */
  linear:
    ({ bias = true }: { readonly bias?: boolean } = {}): ProjectorChoice =>
    (sizes) => ({
      name: 'linear',
      tokens: patchesOf(sizes),
      project: (features, w) => linearProjector(features, { ...sizes, bias }, w),
    }),

  /** Matrices with an activation between them, a token for each patch: LLaVA 1.5 by default. */
  mlp:
    ({ depth = 2, hiddenAct = 'gelu', bias = true }: MlpOptions = {}): ProjectorChoice =>
    (sizes) => {
      checkCount('mlp', 'depth', depth);
      return {
        name: 'mlp',
        tokens: patchesOf(sizes),
        project: (features, w) => mlpProjector(features, { ...sizes, depth, hiddenAct, bias }, w),
      };
    },

  /** Convolutions around a pooling to `tokens`, a count whose root is whole or a grid (Honeybee). */
  cAbstractor:
    (options: CAbstractorOptions): ProjectorChoice =>
    (sizes) => {
      const { tokens, hiddenSize = 1024, depth = 3, mlpDepth = 2, positions = 'patches' } = options;
      const grid = typeof tokens === 'number' ? tokenGrid(tokens) : tokens;
      const P = patchesOf(sizes);
      const numPositions = { none: 0, patches: P, 'with-class': P + 1 }[positions];
      const config = { ...sizes, hiddenSize, tokenGrid: grid, depth, mlpDepth, numPositions };
      return {
        name: 'c-abstractor',
        tokens: grid[0] * grid[1],
        project: (features, w) => cAbstractor(features, config, w),
      };
    },

  /** Means over squares of patches, a norm, a matrix (Gemma 3). The root of `tokens` divides both sides of the grid. */
  averagePool:
    ({ tokens, normEps = 1e-6 }: { readonly tokens: number; readonly normEps?: number }): ProjectorChoice =>
    (sizes) => {
      checkDivides('averagePool', 'tokens', tokens, Math.sqrt(tokens), sizes);
      const config = { ...sizes, numTokens: tokens, normEps };
      return {
        name: 'average-pool',
        tokens,
        project: (features, w) => averagePoolProjector(features, config, w),
      };
    },

  /** Squares of `scaleFactor` by `scaleFactor` patches as one token, and a matrix (SmolVLM). */
  pixelShuffle:
    ({ scaleFactor }: { readonly scaleFactor: number }): ProjectorChoice =>
    (sizes) => {
      checkDivides('pixelShuffle', 'scaleFactor', scaleFactor, scaleFactor, sizes);
      return {
        name: 'pixel-shuffle',
        tokens: patchesOf(sizes) / scaleFactor ** 2,
        project: (features, w) => pixelShuffleProjector(features, { ...sizes, scaleFactor }, w),
      };
    },

  /** Squares of patches as one token, and two layers (Qwen-VL). */
  patchMerger:
    ({ spatialMergeSize = 2, norm = 'layer', normEps = 1e-6 }: PatchMergerOptions = {}): ProjectorChoice =>
    (sizes) => {
      checkDivides('patchMerger', 'spatialMergeSize', spatialMergeSize, spatialMergeSize, sizes);
      const { visionHiddenSize: hiddenSize, textHiddenSize: outHiddenSize } = sizes;
      const config: PatchMergerConfig = {
        ...{ hiddenSize, outHiddenSize, spatialMergeSize, norm, normEps },
        ...{ normOf: 'patch', names: SEQUENTIAL_MERGER },
      };
      return {
        name: 'patch-merger',
        tokens: patchesOf(sizes) / spatialMergeSize ** 2,
        project: (features, w) => patchMerger(blockOrder(features, spatialMergeSize), config, w),
      };
    },

  /** Learned queries that attend to the patches: `tokens` of them, 64 by default (Idefics 2). */
  resampler:
    (options: ResamplerOptions = {}): ProjectorChoice =>
    (sizes) => {
      checkCount('resampler', 'tokens', options.tokens ?? 64);
      const config: ResamplerConfig = {
        ...sizes,
        intermediateSize: options.intermediateSize ?? 4 * sizes.textHiddenSize,
        numLatents: options.tokens ?? 64,
        depth: options.depth ?? 3,
        numAttentionHeads: options.numAttentionHeads ?? 16,
        numKeyValueHeads: options.numKeyValueHeads ?? 4,
        headDim: options.headDim ?? 96,
        hiddenAct: 'silu',
        rmsNormEps: 1e-6,
      };
      return {
        name: 'resampler',
        tokens: config.numLatents,
        project: (features, w) => resampler(features, config, w),
      };
    },
} as const;

const patchesOf = ({ patchGrid: [rows, columns] }: ProjectorSizes): number => rows * columns;

/** `divisor`, which is `value` or its root, must divide both sides of the patches. */
function checkDivides(
  projector: string,
  what: string,
  value: number,
  divisor: number,
  { patchGrid }: ProjectorSizes,
): void {
  if (Number.isInteger(divisor) && divisor > 0 && patchGrid.every((side) => side % divisor === 0)) return;
  const expected = divisor === value ? 'an integer that divides both' : 'a square whose root divides both';
  throw new ConfigError(
    `${projector}: ${what} is ${value} for ${patchGrid.join(' x ')} patches; expected ${expected}.`,
  );
}

function checkCount(projector: string, what: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new ConfigError(`${projector}: ${what} is ${value}; expected a positive integer.`);
}
