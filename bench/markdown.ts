import { IMAGE_HEADER, imageCells } from './image-report.ts';
import { OURS } from './peers/names.ts';
import { type PeerReport, timedPeers } from './peers/peer-report.ts';
import type { BenchReport } from './report.ts';
import { START_HEADER, startCells } from './start-report.ts';
import { formatNumber, formatPercent } from './statistics.ts';

/** A report's rows as a table for a README, under a line that says where and of what it was measured. */
export function markdownTable(report: BenchReport | PeerReport): string {
  const { adapter, driver, commit, loadAverage, measuredAt } = report;
  const heading =
    `${adapter} (${driver}), commit ${commit}, ${measuredAt.slice(0, 10)}, ` +
    `load average ${loadAverage.map((load) => load.toFixed(1)).join(' ')}. Median ms of wall time.`;
  const table = tableOf('geomeanVsBestPeer' in report ? peerCells(report) : ownCells(report));
  return `${[heading, '', ...table, ...pictures(report), ...starts(report), ...sums(report)].join('\n')}\n`;
}

function tableOf([header = [], ...rows]: string[][]): string[] {
  const ruler = header.map((_, i) => (i < 3 ? '---' : '---:'));
  return [header, ruler, ...rows].map((cells) => `| ${cells.map(escapeCell).join(' | ')} |`);
}

function pictures(report: BenchReport | PeerReport): string[] {
  const rows = 'images' in report ? (report.images ?? []) : [];
  return rows.length === 0 ? [] : ['', ...tableOf([[...IMAGE_HEADER], ...rows.map(imageCells)])];
}

function starts(report: BenchReport | PeerReport): string[] {
  const rows = 'starts' in report ? (report.starts ?? []) : [];
  return rows.length === 0 ? [] : ['', ...tableOf([[...START_HEADER], ...rows.flatMap(startCells)])];
}

const escapeCell = (cell: string): string => cell.replaceAll('|', '\\|');

const ownCells = ({ rows }: BenchReport): string[][] => [
  ['op', 'shape', 'dtype', 'ms', 'p10', 'p90', 'GFLOP/s', 'GB/s', 'of limit'],
  ...rows.map((row) => [
    row.op,
    row.shape,
    row.dtype,
    ...[row.ms, row.p10, row.p90, row.gflops, row.gbps].map(formatNumber),
    `${formatPercent(row.fraction)} ${row.boundBy}`,
  ]),
];

function peerCells({ rows }: PeerReport): string[][] {
  const names = timedPeers(rows);
  const number = (value: number | null | undefined): string =>
    value === null || value === undefined ? '–' : formatNumber(value);
  return [
    ['op', 'shape', 'dtype', OURS, ...names, 'vs best', 'of limit'],
    ...rows.map((row) => [
      row.op,
      row.shape,
      row.dtype,
      number(row.ms),
      ...names.map((name) => number(row.peers[name])),
      row.vsBestPeer === null ? '–' : `${formatNumber(row.vsBestPeer)}×`,
      row.fraction === null ? '–' : `${formatPercent(row.fraction)} ${row.boundBy}`,
    ]),
  ];
}

function sums(report: BenchReport | PeerReport): string[] {
  if (!('geomeanVsBestPeer' in report) || report.geomeanVsBestPeer === null) return [];
  const { geomeanVsBestPeer, minVsBestPeer } = report;
  return [
    '',
    `Against the best peer of each row: ${formatNumber(geomeanVsBestPeer)}× in geometric mean, ` +
      `${formatNumber(minVsBestPeer ?? 0)}× at least.`,
  ];
}
