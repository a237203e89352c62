/** A cell of Braille holds 2 x 4 dots. */
const [DOTS_ACROSS, DOTS_DOWN] = [2, 4];
const BLANK = 0x2800;
/** Bit of the dot in column x and row y of a cell (Unicode Standard, chapter 21.1). */
const BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

export interface ChartSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * Values from left to right as a line of dots, with the highest and lowest beside it: `rows` lines of at most `columns`
 * characters. Of many values that share a dot column the mean is shown. Empty where there are none.
 */
export function brailleChart(values: readonly number[], { columns, rows }: ChartSize): readonly string[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [];
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const labels = [high, low].map((value) => value.toPrecision(3));
  const margin = Math.max(...labels.map(({ length }) => length)) + 1;
  const width = Math.max(1, columns - margin);
  const means = meansOf(finite, width * DOTS_ACROSS);
  const cells = Array.from({ length: rows }, () => new Array<number>(width).fill(0));
  const bottom = rows * DOTS_DOWN - 1;
  let last: number | undefined;
  means.forEach((mean, x) => {
    const y = high > low ? Math.round(((high - mean) / (high - low)) * bottom) : bottom;
    // Joined to the one before by an upright stroke.
    const from = last === undefined ? y : last + Math.sign(y - last);
    for (let at = Math.min(from, y); at <= Math.max(from, y); at++) setDot(cells, x, at);
    last = y;
  });
  return cells.map((row, i) => {
    const label = i === 0 ? labels[0] : i === rows - 1 ? labels[1] : '';
    return `${(label ?? '').padStart(margin - 1)} ${row.map((bits) => String.fromCharCode(BLANK + bits)).join('')}`;
  });
}

function setDot(cells: readonly number[][], x: number, y: number): void {
  const row = cells[Math.floor(y / DOTS_DOWN)];
  const column = Math.floor(x / DOTS_ACROSS);
  const bit = BITS[x % DOTS_ACROSS === 0 ? 0 : 1][y % DOTS_DOWN] ?? 0;
  if (row) row[column] = (row[column] ?? 0) | bit;
}

/** At most `most` means of neighbours. */
function meansOf(values: readonly number[], most: number): readonly number[] {
  const count = Math.min(values.length, most);
  return Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
