import type { TunedCall } from '../runtime/tune.ts';
import { formatTable } from './table.ts';

/** What `tessera tune` prints: a line per call, and what the cost model's choices cost beside the measured ones. */
export function formatTuning(calls: readonly TunedCall[], path: string | null): string[] {
  const rows = calls.map(({ op, types, untuned, tuned }) => [
    op,
    types,
    untuned.label,
    untuned.ms.toPrecision(3),
    tuned.label === untuned.label ? '' : tuned.label,
    tuned.label === untuned.label ? '' : tuned.ms.toPrecision(3),
    `${(untuned.ms / tuned.ms).toFixed(2)}x`,
  ]);
  const header = ['op', 'inputs', 'by cost model', 'ms', 'by measurement', 'ms', 'faster'];
  const table = formatTable([header, ...rows], ['left', 'left', 'left', 'right', 'left', 'right', 'right']);
  const kept = path === null ? 'nothing is kept' : `kept in ${path}`;
  return [...table, '', `${formatSummary(calls)}; ${kept}`];
}

function formatSummary(calls: readonly TunedCall[]): string {
  const ratios = calls.map(({ untuned, tuned }) => untuned.ms / tuned.ms);
  if (ratios.length === 0) return 'no call had a choice';
  const changed = calls.filter(({ untuned, tuned }) => untuned.label !== tuned.label).length;
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
  return (
    `${changed} of ${calls.length} calls have a faster kernel than the cost model takes: ` +
    `${mean.toFixed(2)}x in geometric mean, ${Math.max(...ratios).toFixed(2)}x at most`
  );
}
