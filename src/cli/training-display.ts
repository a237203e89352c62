import { brailleChart } from './braille-chart.ts';

/** Steps between lines where the terminal draws no chart. */
const LINE_EVERY = 20;
const CHART_ROWS = 6;
const CHART_EVERY_MS = 500;

export interface TrainingDisplay {
  /** Shows where a training is, and its losses so far. */
  step(step: number, text: string, losses: readonly number[]): void;
  /** A line that stays. */
  note(text: string): void;
}

/** A chart that is drawn over itself on a terminal, a line now and then elsewhere. */
export function createTrainingDisplay(stderr: NodeJS.WriteStream): TrainingDisplay {
  let drawnRows = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  const clear = (): void => {
    if (drawnRows > 0) stderr.write(`\x1b[${drawnRows}A\x1b[J`);
    drawnRows = 0;
  };
  return {
    step(step: number, text: string, losses: readonly number[]): void {
      if (!stderr.isTTY) {
        if (step % LINE_EVERY === 0) stderr.write(`${text}\n`);
        return;
      }
      if (performance.now() - drawnMs < CHART_EVERY_MS) return;
      drawnMs = performance.now();
      clear();
      const columns = Math.min(stderr.columns || 80, 100) - 1;
      const lines = [...brailleChart(losses, { columns, rows: CHART_ROWS }), text.slice(0, columns)];
      drawnRows = lines.length;
      stderr.write(`${lines.join('\n')}\n`);
    },
    note(text: string): void {
      clear();
      stderr.write(`${text}\n`);
    },
  };
}
