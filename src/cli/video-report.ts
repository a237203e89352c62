import type { VideoBudget, VideoCost } from '../generate/video-cost.ts';
import { formatTable } from './table.ts';
import { formatBytes, formatCount, formatFlops } from './units.ts';

/** The table of `tessera inspect --video`: what a video takes before and after pooling. */
export function formatVideoCost(cost: VideoCost): string[] {
  const { frames, width, height, contextTokens, unpooled, pooled } = cost;
  const budgets = pooled ? [unpooled, pooled] : [unpooled];
  const row = (name: string, cell: (budget: VideoBudget) => string): string[] => [name, ...budgets.map(cell)];
  const rows = [
    row('', ({ pooling }) => (pooling ? `pooled ${poolingName(pooling)}` : 'every frame')),
    row('  tower runs', ({ towerRuns }) => formatCount(towerRuns)),
    row('  tokens', ({ tokens }) => formatCount(tokens)),
    row('  of the context', ({ tokens }) => `${Math.round((100 * tokens) / contextTokens)} %`),
    row('  FLOPs', ({ flops }) => formatFlops(flops.total)),
    row('    tower, projector', ({ flops }) => formatFlops(flops.vision)),
    row('    pooling', ({ flops }) => formatFlops(flops.pooling)),
    row('    prefill', ({ flops }) => formatFlops(flops.prefill)),
    row('  GPU memory', ({ memory }) => formatBytes(totalBytes(memory))),
    row('    features', ({ memory }) => formatBytes(memory.features)),
    row('    KV cache', ({ memory }) => formatBytes(memory.kvCache)),
    row('    tower scratch', ({ memory }) => formatBytes(memory.towerScratch)),
    row('  fits', ({ fits }) => (fits ? 'yes' : 'no')),
  ];
  return [
    `video       ${formatCount(frames)} frames of ${width}x${height}, before the first word`,
    ...formatTable(rows, ['left', 'right', 'right']),
  ];
}

/** Why a video does not fit, with the numbers and what would. Undefined where it does. */
export function videoProblem(cost: VideoCost): string | undefined {
  const { frames, contextTokens, unpooled, pooled, fittingFrames, canPool } = cost;
  const { fits, tokens, pooling, memory } = pooled ?? unpooled;
  if (fits) return undefined;
  const asked = `${formatCount(frames)} frames${pooling ? ` pooled ${poolingName(pooling)}` : ''}`;
  const window = Math.ceil(frames / Math.max(1, fittingFrames));
  const most = `Take at most ${formatCount(fittingFrames)} frames`;
  const remedy =
    fittingFrames < 1
      ? 'Not one frame fits: raise --context, or use another model.'
      : `${most}${canPool ? `, or pool each ${window}: --pool mean:${window}` : ''}.`;
  return `inspect: ${asked} are ${formatCount(tokens)} tokens with ${formatBytes(memory.kvCache)} of KV cache, and the context holds ${formatCount(contextTokens)}; expected fewer. ${remedy}`;
}

const poolingName = ({ kind, window }: NonNullable<VideoBudget['pooling']>): string =>
  window === undefined ? kind : `${kind}:${window}`;

const totalBytes = (memory: VideoBudget['memory']): number =>
  memory.features + memory.kvCache + memory.towerScratch;
