import { InputError } from '../core/errors.ts';
import type { Plan, PlanBuffer, PlanDispatch } from './plan.ts';

/** Totals of a plan. Bytes read and written count every dispatch. */
export interface PlanSummary {
  readonly dispatches: number;
  readonly pipelines: number;
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** GPU memory by kind of buffer. */
  readonly memory: Readonly<Record<PlanBuffer['kind'], number>>;
  /** What the arenas would take if no two intermediates shared memory. */
  readonly intermediateBytes: number;
}

export function planSummary({ dispatches, pipelines, buffers, intermediateBytes }: Plan): PlanSummary {
  const sum = (count: (dispatch: PlanDispatch) => number): number =>
    dispatches.reduce((total, dispatch) => total + count(dispatch), 0);
  const memory = { arena: 0, input: 0, weight: 0, state: 0, constant: 0 };
  for (const { kind, byteLength } of buffers) memory[kind] += byteLength;
  return {
    dispatches: dispatches.length,
    pipelines: pipelines.length,
    flops: sum(({ cost }) => cost.flops),
    bytesRead: sum(({ cost }) => cost.bytesRead),
    bytesWritten: sum(({ cost }) => cost.bytesWritten),
    memory,
    intermediateBytes,
  };
}

/** A table of the plan's dispatches for people, totals below. `explainNode` says why a kernel was chosen. */
export function explain(plan: Plan): string {
  const header = ['#', 'dispatch', 'kernel', 'workgroups', 'FLOPs', 'read', 'written', 'fused'];
  const rows = plan.dispatches.map(({ label, kernel, workgroups, cost, fused }, i) => [
    String(i),
    label,
    kernel,
    workgroups.join(' × '),
    withUnit(cost.flops, 1000, ['', 'k', 'M', 'G', 'T']),
    formatBytes(cost.bytesRead),
    formatBytes(cost.bytesWritten),
    fused.length > 1 ? fused.join(' + ') : '',
  ]);
  const { dispatches, pipelines, flops, bytesRead, bytesWritten, memory, intermediateBytes } =
    planSummary(plan);
  const held = Object.entries(memory)
    .filter(([, bytes]) => bytes > 0)
    .map(([kind, bytes]) => `${kind} ${formatBytes(bytes)}`);
  return [
    ...alignColumns([header, ...rows]),
    '',
    `${dispatches} dispatches of ${pipelines} pipelines; ${withUnit(flops, 1000, ['', 'k', 'M', 'G', 'T'])} FLOPs, ` +
      `${formatBytes(bytesRead)} read, ${formatBytes(bytesWritten)} written`,
    `memory: ${held.join(', ')}; intermediates take ${formatBytes(intermediateBytes)} when nothing is shared`,
  ].join('\n');
}

/**
 * Why the kernel of one dispatch was chosen, and which others were slower or refused. `name` is the dispatch's
 * label, its number in `explain`, or a tensor it writes. Throws InputError where there is none.
 */
export function explainNode(plan: Plan, name: string | number): string {
  const dispatch = plan.dispatches.find(
    ({ label, outputs }, i) => i === name || label === name || outputs.includes(String(name)),
  );
  if (!dispatch) {
    throw new InputError(
      `explainNode: no dispatch "${name}" among ${plan.dispatches.length}; expected a label, a number or an output's name. See explain(plan).`,
    );
  }
  const { label, outputs, fused, choice } = dispatch;
  return [`${label} makes ${outputs.join(', ')} by ${fused.join(' + ')}`, choice].join('\n');
}

/** `1.50 MiB` */
export const formatBytes = (bytes: number): string => withUnit(bytes, 1024, [' B', ' KiB', ' MiB', ' GiB']);

function withUnit(value: number, base: number, units: readonly string[]): string {
  let scaled = value;
  let power = 0;
  for (; scaled >= base && power < units.length - 1; power++) scaled /= base;
  const digits = Number.isInteger(scaled) ? String(scaled) : scaled.toPrecision(3);
  return `${digits}${units[power]}`;
}

/** Rows as lines with every column as wide as its widest cell. */
function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>(
    (widths, row) => row.map((cell, column) => Math.max(cell.length, widths[column] ?? 0)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
