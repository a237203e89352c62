import type { GenerationStats } from '../generate/generation.ts';
import { formatTable } from './table.ts';
import { formatBytes, formatMs } from './units.ts';

/** What `--stats` and `--json` tell of a run. */
export interface RunStats extends GenerationStats {
  readonly loadMs: number;
}

/** The lines of `--stats`. */
export function formatStats(stats: RunStats, adapterName: string): string[] {
  const { promptTokens, generatedTokens, tokensPerSecond } = stats;
  return formatTable([
    ['adapter', adapterName],
    ['load', formatMs(stats.loadMs)],
    ['first token', `${formatMs(stats.firstTokenMs)} (${promptTokens} prompt tokens)`],
    ['speed', generatedTokens > 1 ? `${tokensPerSecond.toFixed(1)} tokens/s` : '-'],
    ['generated', `${generatedTokens} tokens in ${formatMs(stats.totalMs)}`],
    ['peak GPU memory', formatBytes(stats.peakGpuBytes)],
    ['seed', String(stats.seed)],
  ]);
}
