import { escapeXml } from '../../src/core/escape-xml.ts';
import { formatGrowth } from '../growth.ts';
import { formatImages } from '../image-report.ts';
import { formatModelGrowth, type ModelGrowthRow } from '../model-growth.ts';
import type { PeerReport } from '../peers/peer-report.ts';
import { formatPeerNotes, formatPeerTable } from '../peers/peer-report.ts';
import type { BenchReport, BenchRow } from '../report.ts';
import { formatLimits, formatModels } from '../report.ts';
import { formatStarts } from '../start-report.ts';
import { formatNumber, formatPercent } from '../statistics.ts';
import { type Curve, curves } from './curves.ts';
import { historyCurves, type KeptReport } from './history.ts';
import { peerBars } from './peer-bars.ts';
import { type RooflinePoint, roofline } from './roofline.ts';
import { STYLE } from './style.ts';
import { timeline } from './timeline.ts';

/** A load average over this share of a core per core in use is other work, and said aloud. */
const QUIET_LOAD = 0.5;
const MOST_HISTORY = 8;

/** A report as one page that needs nothing else: no script, no request, light or dark as the reader has it. */
export function reportPage(report: BenchReport | PeerReport, history: readonly KeptReport[]): string {
  const title = `Tessera on ${report.adapter}`;
  const body = [
    `<header><h1>${escapeXml(title)}</h1>${facts(report)}${warning(report)}</header>`,
    ...('geomeanVsBestPeer' in report ? peerSections(report) : ownSections(report)),
    section(
      'History',
      'Reports kept in bench/results, oldest first; bands from p10 to p90.',
      curves(historyCurves(history, report.adapter, MOST_HISTORY), 'report', 'ms', 'linear'),
    ),
    section(
      'Limits',
      'What this adapter does at best, measured beside the rows.',
      pre(formatLimits(report.limits)),
    ),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body.join('\n')}
</body>
</html>
`;
}

/** Nothing where there is nothing to show. */
const section = (title: string, words: string, content: string): string =>
  content === ''
    ? ''
    : `<section><h2>${title}</h2><p>${words}</p><div class="wide">${content}</div></section>`;

const pre = (lines: readonly string[]): string =>
  lines.length === 0 ? '' : `<pre>${escapeXml(lines.join('\n'))}</pre>`;

const list = (lines: readonly string[]): string =>
  `<ul>${lines.map((line) => `<li>${escapeXml(line)}</li>`).join('')}</ul>`;

function facts({ driver, node, commit, measuredAt, loadAverage }: BenchReport | PeerReport): string {
  const pairs = [
    ['driver', driver],
    ['commit', commit],
    ['measured', measuredAt.slice(0, 16).replace('T', ' ')],
    ['Node', node],
    ['load average', loadAverage.map((load) => load.toFixed(2)).join(' ')],
  ];
  return `<dl>${pairs.map(([name = '', value = '']) => `<div><dt>${name}</dt><dd>${escapeXml(value)}</dd></div>`).join('')}</dl>`;
}

const warning = ({ loadAverage: [load = 0] }: BenchReport | PeerReport): string =>
  load > QUIET_LOAD
    ? `<p class="warning">The machine did other work while this was measured (load average ${load.toFixed(1)}): read ratios, if anything.</p>`
    : '';

function ownSections(report: BenchReport): string[] {
  const points: RooflinePoint[] = report.rows.map((row) => ({
    ...row,
    name: nameOf(row),
    op: familyOf(row.op),
  }));
  return [
    section(
      'Roofline',
      'Each dot is a row: under the roof by as much as it could be faster.',
      roofline(points, report.limits),
    ),
    section(
      'Growth',
      'A layer over tokens of the prompt, tokens in the cache and pictures at once; bands from p10 to p90.',
      growth(report.rows) + pre(formatGrowth(report.growth ?? [])),
    ),
    section(
      'One token',
      'GPU time of every dispatch of the built-in model for one token, layer by layer.',
      timeline(report.timeline),
    ),
    section(
      'Whole models',
      'Times in ms, memory in MiB. Below: the first token over words of the prompt, pictures in it, and requests at once.',
      pre(formatModels(report.models)) +
        curves(modelGrowthSeries(report.modelGrowth ?? []), 'words, pictures or requests', 'ms') +
        pre(formatModelGrowth(report.modelGrowth ?? [])),
    ),
    section(
      'Starts',
      'Processes of their own, in ms: with nothing in the cache of the driver, then with what the first left there.',
      pre(formatStarts(report.starts ?? [])),
    ),
    section('Pictures', 'On the CPU, in ms, in turn with sharp.', pre(formatImages(report.images ?? []))),
    section(
      'Rows',
      'Median wall time, with p10 and p90, and the fraction of what the limits allow.',
      ownTable(report.rows),
    ),
  ];
}

function peerSections(report: PeerReport): string[] {
  const { geomeanVsBestPeer, minVsBestPeer } = report;
  const headline =
    geomeanVsBestPeer === null
      ? 'No row has a peer to compare with.'
      : `<strong>${formatNumber(geomeanVsBestPeer)}×</strong> the best peer's speed in geometric mean, ${formatNumber(minVsBestPeer ?? 0)}× at least.`;
  const points = report.rows
    .filter((row) => row.gflops !== null && row.gbps !== null)
    .map((row) => ({ name: nameOf(row), op: row.op, gflops: row.gflops ?? 0, gbps: row.gbps ?? 0 }));
  return [
    section(
      'Against peers',
      `${headline} Bars are times over ours: longer is slower than we are.`,
      peerBars(report),
    ),
    section('Roofline', 'Our rows under the roofs of this adapter.', roofline(points, report.limits)),
    section(
      'Rows',
      'Medians in ms. Every result was compared whole with an f64 reference before it was timed.',
      pre(formatPeerTable(report)) + list(formatPeerNotes(report)),
    ),
  ];
}

const nameOf = ({ op, shape, dtype }: Pick<BenchRow, 'op' | 'shape' | 'dtype'>): string =>
  `${op} ${shape} ${dtype}`;

/** Few colours: layers together, attention together, and what moves memory alone together. */
function familyOf(op: string): string {
  if (/layer/.test(op)) return 'layers';
  if (/attention/.test(op)) return 'attention';
  if (/^(linear|matmul)$/.test(op)) return 'products';
  if (op === 'matvec') return op;
  if (/tower|prefill|decode/.test(op)) return "the built-in model's parts";
  if (/norm|softmax/i.test(op)) return 'norms and softmax';
  return 'other';
}

/** Rows of one op and dtype whose shape is one number, or one but for the batch: three make a curve. */
export function growthSeries(rows: readonly BenchRow[]): readonly Curve[] {
  const series = new Map<string, Curve['points'][number][]>();
  for (const row of rows) {
    const size =
      /^(?:S|past)=(\d+)$/.exec(row.shape) ?? (/layer$/.test(row.op) ? /^(\d+)x/.exec(row.shape) : null);
    if (!size || row.dtype !== 'f32') continue;
    const unit = row.shape.startsWith('past')
      ? 'tokens in the cache'
      : row.shape.startsWith('S')
        ? 'tokens'
        : 'pictures';
    const name = `${row.op}: ${unit}`;
    const point = {
      x: Number(size[1]),
      median: row.ms,
      p10: row.p10,
      p90: row.p90,
      title: `${nameOf(row)}: ${formatNumber(row.ms)} ms`,
    };
    series.set(name, [...(series.get(name) ?? []), point]);
  }
  return [...series].filter(([, points]) => points.length > 2).map(([name, points]) => ({ name, points }));
}

/** First tokens, a curve for each axis of a model. */
export function modelGrowthSeries(rows: readonly ModelGrowthRow[]): readonly Curve[] {
  const names = [...new Set(rows.map(({ model, axis }) => `${model}: ${axis}`))];
  return names.map((name) => ({
    name,
    points: rows
      .filter(({ model, axis }) => `${model}: ${axis}` === name)
      .map(({ count, firstTokenMs }) => ({ x: count, ...firstTokenMs })),
  }));
}

const growth = (rows: readonly BenchRow[]): string => curves(growthSeries(rows), 'tokens or pictures', 'ms');

function ownTable(rows: readonly BenchRow[]): string {
  const header = [
    'op',
    'shape',
    'dtype',
    'ms',
    'p10',
    'p90',
    'kernel ms',
    'GFLOP/s',
    'GB/s',
    'of limit',
    'kernel',
  ];
  const cells = rows.map((row) => [
    row.op,
    row.shape,
    row.dtype,
    ...[row.ms, row.p10, row.p90].map(formatNumber),
    row.kernelMs === null ? '' : formatNumber(row.kernelMs),
    ...[row.gflops, row.gbps].map(formatNumber),
    `${formatPercent(row.fraction)} ${row.boundBy}`,
    row.kernel,
  ]);
  const line = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${line('th', header)}</thead><tbody>${cells.map((row) => line('td', row)).join('')}</tbody></table>`;
}
