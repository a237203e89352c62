import { escapeXml } from '../../src/core/escape-xml.ts';
import { element, textLine } from '../../src/look/svg.ts';
import { type PeerReport, timedPeers } from '../peers/peer-report.ts';
import { formatNumber } from '../statistics.ts';
import { legend, seriesClass } from './chart-frame.ts';
import { line, svg } from './svg.ts';

const WIDTH = 960;
const LEFT = 250;
const RIGHT = 850;
const BAR = 13;

/** A group of bars a row: the time of each engine over ours, so that rows of microseconds and of seconds compare. */
export function peerBars({ rows }: Pick<PeerReport, 'rows'>): string {
  const names = timedPeers(rows);
  const timed = rows.filter(({ ms }) => ms !== null);
  if (timed.length === 0) return '';
  // Beyond ten times all are far: bars end there, with their number.
  const MOST = 10;
  const scale = (ratio: number): number => LEFT + (Math.min(ratio, MOST) / MOST) * (RIGHT - LEFT);
  const group = BAR * names.length + 18;
  const height = timed.length * group + 50;
  const groups = timed.map((row, i) => {
    const top = 34 + i * group;
    const bars = names.map((name, j) => {
      const ms = row.peers[name] ?? null;
      const y = top + j * BAR;
      if (ms === null || row.ms === null)
        return textLine(LEFT + 6, y + 10, `${name}: no time`, { class: 'gap' });
      const ratio = ms / row.ms;
      const label = `${formatNumber(ratio)}x${ratio > MOST ? ' ▸' : ''}`;
      const title = element(
        'title',
        {},
        escapeXml(`${name}: ${formatNumber(ms)} ms; tessera: ${formatNumber(row.ms)} ms`),
      );
      return (
        element(
          'rect',
          {
            x: LEFT,
            y: y + 1,
            width: scale(ratio) - LEFT,
            height: BAR - 3,
            rx: 2,
            class: `bar ${seriesClass(j + 1)}`,
          },
          title,
        ) + textLine(scale(ratio) + 6, y + 10, label, { class: 'value' })
      );
    });
    const middle = top + (names.length * BAR) / 2;
    const name = textLine(LEFT - 12, middle, `${row.op} ${row.shape} ${row.dtype}`, {
      class: 'label',
      'text-anchor': 'end',
    });
    const own = textLine(LEFT - 12, middle + 15, `${formatNumber(row.ms ?? 0)} ms`, {
      class: 'tick',
      'text-anchor': 'end',
    });
    return name + own + bars.join('');
  });
  const even = scale(1);
  const picture = svg(
    WIDTH,
    height,
    'Times of peers over ours',
    textLine(even, 20, 'as fast as tessera', { class: 'tick', 'text-anchor': 'middle' }),
    ...groups,
    line(even, 26, even, height - 10, 'even'),
  );
  return legend(['tessera (line at 1x)', ...names].map(escapeXml)) + picture;
}
