import { formatTable } from '../src/cli/table.ts';
import { formatNumber } from './statistics.ts';

/** Of one start, in ms. */
export interface StartTimes {
  /** The adapter's opening included. */
  readonly loadMs: number;
  readonly firstTokenMs: number;
  /** From the start of the process to the first token; what it takes to read this program's TypeScript included. */
  readonly processMs: number;
  /** Processor time of load and first token. */
  readonly cpuMs: number;
}

/** Medians of starts whose driver has cached nothing, and of those right after them. */
export interface StartRow {
  readonly model: string;
  readonly dtype: string;
  readonly rounds: number;
  readonly first: StartTimes;
  readonly second: StartTimes;
  /** Of load and first token together: the first over the second. */
  readonly ratio: number;
  readonly cpuRatio: number;
}

const answerMs = ({ loadMs, firstTokenMs }: StartTimes): number => loadMs + firstTokenMs;

export const startRow = (
  row: Pick<StartRow, 'model' | 'dtype' | 'rounds' | 'first' | 'second'>,
): StartRow => ({
  ...row,
  ratio: answerMs(row.first) / answerMs(row.second),
  cpuRatio: row.first.cpuMs / row.second.cpuMs,
});

export const START_HEADER: readonly string[] =
  'start,dtype,cache,load,first token,both,process,processor time,over second,processor time over'.split(',');

/** Times in ms. */
export const startCells = ({ model, dtype, first, second, ratio, cpuRatio }: StartRow): string[][] =>
  [
    { name: 'empty', times: first, over: [ratio, cpuRatio] },
    { name: 'filled', times: second, over: [] },
  ].map(({ name, times, over }) => [
    ...[model, dtype, name],
    ...[times.loadMs, times.firstTokenMs, answerMs(times), times.processMs, times.cpuMs].map(formatNumber),
    ...['', ''].map((_, i) => (over[i] === undefined ? '' : `${formatNumber(over[i])}x`)),
  ]);

export function formatStarts(rows: readonly StartRow[]): string[] {
  if (rows.length === 0) return [];
  const numbers = Array.from({ length: 7 }, () => 'right' as const);
  return formatTable([START_HEADER, ...rows.flatMap(startCells)], ['left', 'left', 'left', ...numbers]);
}
