import { InputError } from '../../src/core/errors.ts';
import { formatNumber } from '../statistics.ts';
import type { CheckpointMeasurement } from './measure-checkpoint.ts';

export interface TableRow {
  readonly family: string;
  readonly checkpoint: string;
  /** One per adapter, in the order of the columns. */
  readonly measurements: readonly CheckpointMeasurement[];
}

/** A Markdown table: a row per checkpoint, columns of parity, speed and memory per adapter. */
export function formatTable(rows: readonly TableRow[]): string {
  const adapters = rows[0]?.measurements.map(({ adapter }) => adapter) ?? [];
  const header = [
    'family',
    'checkpoint',
    'stages',
    ...adapters.flatMap((adapter) => [`max error, ${adapter}`, 'tokens equal', 'speed', 'peak GPU']),
  ];
  const lines = rows.map(({ family, checkpoint, measurements }) => [
    family,
    `\`${checkpoint}\``,
    String(measurements[0]?.stages ?? 0),
    ...measurements.flatMap(cellsOf),
  ]);
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function cellsOf({
  worst,
  failed,
  tokensEqual,
  tokensTotal,
  speed,
  peakGpuBytes,
}: CheckpointMeasurement): string[] {
  const error = `${worst.relativeError.toExponential(1)} (\`${worst.stage}\`)`;
  return [
    failed.length > 0 ? `**${failed.length} stages fail**, ${error}` : error,
    tokensTotal === 0 ? '–' : `${tokensEqual} of ${tokensTotal}`,
    `${formatNumber(speed.perSecond)} ${speed.unit}/s`,
    `${(peakGpuBytes / 2 ** 20).toFixed(1)} MiB`,
  ];
}

const BEGIN = '<!-- model table: npm run model-table -- --write -->';
const END = '<!-- end of model table -->';

/** `text` with what stands between the marks replaced. Throws InputError where the marks are missing. */
export function replaceTable(text: string, table: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin)
    throw new InputError(`README.md: has no "${BEGIN}" with "${END}" behind it; expected both.`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${text.slice(end)}`;
}
