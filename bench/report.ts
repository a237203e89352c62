import { formatTable } from '../src/cli/table.ts';
import type { Bandwidth } from './bandwidth.ts';
import { type BoundBy, boundOf } from './bound.ts';
import type { Environment } from './environment.ts';
import { type CacheGrowth, formatGrowth } from './growth.ts';
import type { TimelineDispatch } from './html/timeline.ts';
import { formatImages, type ImageRow } from './image-report.ts';
import type { Limits } from './limits.ts';
import { formatModelGrowth, type ModelGrowthRow } from './model-growth.ts';
import { formatStarts, type StartRow } from './start-report.ts';
import { formatNumber, formatPercent } from './statistics.ts';
import type { Measured } from './time-case.ts';
import type { ModelRow, RandomModelRow } from './whole-models.ts';

/** What `--json` writes. */
export interface BenchReport extends Environment {
  /** ISO 8601. */
  readonly measuredAt: string;
  readonly limits: Limits;
  readonly rows: readonly BenchRow[];
  /** Absent from reports of before caches were timed in turn with reading. */
  readonly growth?: readonly CacheGrowth[];
  readonly models: readonly ModelRow[];
  /** Absent from reports of before the growth of whole models was timed. */
  readonly modelGrowth?: readonly ModelGrowthRow[];
  readonly randomModels: readonly RandomModelRow[];
  /** Absent from reports of before pictures were timed. */
  readonly images?: readonly ImageRow[];
  /** Absent from reports of before starts were timed. */
  readonly starts?: readonly StartRow[];
  /** Dispatches of one token of the built-in model, by timestamps; empty without them, or where not asked for. */
  readonly timeline: readonly TimelineDispatch[];
  /** What could not be measured, and why. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
}

export interface BenchRow {
  readonly op: string;
  readonly shape: string;
  readonly dtype: string;
  /** Median wall time, submit included. */
  readonly ms: number;
  readonly p10: number;
  readonly p90: number;
  readonly samples: number;
  /** GPU time by timestamps; null without timestamp-query. */
  readonly kernelMs: number | null;
  /** What the op has to compute and to move at least, over `ms`. */
  readonly gflops: number;
  readonly gbps: number;
  /** Least time by the measured limits over `ms`. */
  readonly fraction: number;
  readonly boundBy: BoundBy;
  readonly kernel: string;
}

export function rowOf(measured: Measured, limits: Limits): BenchRow {
  const { benchCase, wall, samples, kernelMs, dispatches } = measured;
  const costs = dispatches.map(({ cost }) => cost);
  const flops = costs.reduce((sum, cost) => sum + cost.flops, 0);
  const bytes = costs.reduce((sum, cost) => sum + cost.bytesRead + cost.bytesWritten, 0);
  const bound = boundOf(costs, limits);
  const kernels = new Set(dispatches.map(({ kernel }) => kernel));
  return {
    op: benchCase.op,
    shape: benchCase.shape,
    dtype: benchCase.dtype,
    ms: wall.median,
    p10: wall.p10,
    p90: wall.p90,
    samples,
    kernelMs,
    gflops: flops / (wall.median * 1e6),
    gbps: bytes / (wall.median * 1e6),
    fraction: bound.ms / wall.median,
    boundBy: bound.by,
    kernel: kernels.size === 1 ? [...kernels].join() : `${dispatches.length} dispatches`,
  };
}

const ROW_HEADER = 'op,shape,dtype,ms,p10,p90,kernel ms,GFLOP/s,GB/s,of limit,,kernel'.split(',');

export function formatRows(rows: readonly BenchRow[]): string[] {
  if (rows.length === 0) return [];
  const cells = rows.map((row) => [
    row.op,
    row.shape,
    row.dtype,
    ...[row.ms, row.p10, row.p90].map(formatNumber),
    row.kernelMs === null ? '' : formatNumber(row.kernelMs),
    formatNumber(row.gflops),
    formatNumber(row.gbps),
    formatPercent(row.fraction),
    row.boundBy,
    row.kernel,
  ]);
  const numbers = Array.from({ length: 7 }, () => 'right' as const);
  return formatTable([ROW_HEADER, ...cells], ['left', 'left', 'left', ...numbers, 'left', 'left']);
}

export function formatHeading({ adapter, driver, node, commit, loadAverage }: Environment): string[] {
  return formatTable([
    ['adapter', adapter],
    ['driver', driver],
    ['node', node],
    ['commit', commit],
    ['load average', loadAverage.map((load) => load.toFixed(2)).join(' ')],
  ]);
}

export function formatLimits(limits: Limits): string[] {
  const { f32, f16 } = limits.fmaGflops;
  const speeds = (bandwidths: readonly Bandwidth[]): string =>
    bandwidths
      .map(({ byteLength, gbps }) => `${formatNumber(gbps)} (${formatNumber(byteLength / 2 ** 20)} MiB)`)
      .join(', ');
  return formatTable([
    ['FMA, GFLOP/s', `${formatNumber(f32)} f32, ${f16 === null ? 'no f16' : `${formatNumber(f16)} f16`}`],
    ['kernel read, GB/s', speeds(limits.read)],
    ['kernel copy, GB/s', speeds(limits.copy)],
    ['buffer copy, GB/s', speeds(limits.bufferCopy)],
    ['empty dispatch', `${formatNumber(limits.dispatchUs)} µs`],
    ['submit', `${formatNumber(limits.submitUs)} µs`],
    ['pipeline, until it has run', `${formatNumber(limits.pipelineMs)} ms`],
    ['submit and 4 bytes back', `${formatNumber(limits.submitReadbackUs)} µs`],
  ]);
}

const MODEL_HEADER =
  'model,dtype,load,first token,p10,p90,cold,tokens/s,p10,p90,dispatches a token,GPU MiB,process MiB'.split(
    ',',
  );

/** Times in ms. */
export function formatModels(models: readonly ModelRow[]): string[] {
  if (models.length === 0) return [];
  const cells = models.map((row) => [
    row.model,
    row.dtype,
    ...[
      row.loadMs,
      row.firstTokenMs.median,
      row.firstTokenMs.p10,
      row.firstTokenMs.p90,
      row.coldFirstTokenMs,
      row.tokensPerSecond.median,
      row.tokensPerSecond.p10,
      row.tokensPerSecond.p90,
      row.dispatchesPerToken,
      row.peakGpuBytes / 2 ** 20,
      row.peakRssBytes / 2 ** 20,
    ].map(formatNumber),
  ]);
  const numbers = Array.from({ length: 11 }, () => 'right' as const);
  return formatTable([MODEL_HEADER, ...cells], ['left', 'left', ...numbers]);
}

export const formatRandomModels = (models: readonly RandomModelRow[]): string[] =>
  models.map(
    ({ model, dtype, loadMs, forward, peakGpuBytes }) =>
      `${model}, random weights, ${dtype}: load ${formatNumber(loadMs)} ms, ` +
      `${forward.map(({ part, ms }) => `${part} ${formatNumber(ms)} ms`).join(', ')}, ` +
      `${formatNumber(peakGpuBytes / 2 ** 20)} MiB on the GPU`,
  );

export const formatFailures = (failures: BenchReport['failures']): string[] =>
  failures.map(({ name, reason }) => `failed: ${name}: ${reason}`);

/** All of a report for a terminal. */
export const formatReport = (report: BenchReport): string =>
  [
    formatHeading(report),
    formatLimits(report.limits),
    formatRows(report.rows),
    formatGrowth(report.growth ?? []),
    formatModels(report.models),
    formatModelGrowth(report.modelGrowth ?? []),
    formatRandomModels(report.randomModels),
    formatImages(report.images ?? []),
    formatStarts(report.starts ?? []),
    formatFailures(report.failures),
  ]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');

/** The rows that beat what was measured as the limit: then the limit is wrong, not the row fast. */
export const beyondLimit = (rows: readonly BenchRow[]): readonly BenchRow[] =>
  rows.filter(({ fraction }) => fraction > 1);
