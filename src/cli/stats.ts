import type { GenerationStats } from '../generate/generation.ts';
import type { WeightsSummary } from '../generate/weights-summary.ts';
import { formatTable } from './table.ts';
import { formatBytes, formatMs } from './units.ts';

/** What `--stats` and `--json` tell of a run. */
export interface RunStats extends GenerationStats {
  readonly loadMs: number;
  readonly weights: WeightsSummary;
}

/** The lines of `--stats`. */
export function formatStats(stats: RunStats, adapterName: string): string[] {
  const { promptTokens, generatedTokens, tokensPerSecond, dispatchesPerToken } = stats;
  return formatTable([
    ['adapter', adapterName],
    ['load', formatMs(stats.loadMs)],
    ['weights', formatWeights(stats.weights)],
    ['first token', `${formatMs(stats.firstTokenMs)} (${promptTokens} prompt tokens)`],
    [
      'speed',
      generatedTokens > 1
        ? `${tokensPerSecond.toFixed(1)} tokens/s, ${dispatchesPerToken} dispatches a token`
        : '-',
    ],
    ['generated', `${generatedTokens} tokens in ${formatMs(stats.totalMs)}`],
    ['peak GPU memory', formatBytes(stats.peakGpuBytes)],
    ['seed', String(stats.seed)],
  ]);
}

/** `1.06 GiB; 182 tensors in q4, error 8.2 % of their RMS on average, 9.1 % in model.layers.0.mlp.up_proj.weight` */
function formatWeights({ byteLength, rounding }: WeightsSummary): string {
  if (!rounding) return formatBytes(byteLength);
  const { dtype, tensors, meanRelativeError, worst } = rounding;
  const percent = (fraction: number): string => `${(100 * fraction).toPrecision(2)} %`;
  return (
    `${formatBytes(byteLength)}; ${tensors} tensors in ${dtype}, error ${percent(meanRelativeError)} of their RMS on ` +
    `average, ${percent(worst.relativeError)} in ${worst.name}`
  );
}
