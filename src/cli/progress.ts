import type { LoadProgress } from '../generate/vision-language-model.ts';
import { formatBytes } from './units.ts';

/** One line on stderr that is drawn over itself; silent where stderr is no terminal. */
export interface ProgressLine {
  show(text: string): void;
  clear(): void;
}

/** Repaints at most this often: loading reports every chunk. */
const REPAINT_MS = 50;
/** Some terminals tell no width. */
const FALLBACK_COLUMNS = 80;

export function createProgressLine(stderr: NodeJS.WriteStream): ProgressLine {
  let shownAt = Number.NEGATIVE_INFINITY;
  if (!stderr.isTTY) return { show: () => {}, clear: () => {} };
  return {
    show(text) {
      if (performance.now() - shownAt < REPAINT_MS) return;
      shownAt = performance.now();
      stderr.write(`\r\x1b[K${text.slice(0, (stderr.columns || FALLBACK_COLUMNS) - 1)}`);
    },
    clear() {
      if (shownAt > 0) stderr.write('\r\x1b[K');
      shownAt = Number.NEGATIVE_INFINITY;
    },
  };
}

const BAR_CELLS = 24;

/** `weights    [############            ] 4.66 MiB of 9.30 MiB`. */
export function formatProgress(name: string, done: number, total: number, amount: string): string {
  const cells = total > 0 ? Math.min(BAR_CELLS, Math.round((done / total) * BAR_CELLS)) : 0;
  return `${name.padEnd(10)} [${'#'.repeat(cells).padEnd(BAR_CELLS)}] ${amount}`;
}

export const formatByteProgress = (name: string, done: number, total: number): string =>
  formatProgress(name, done, total, `${formatBytes(done)}${total > 0 ? ` of ${formatBytes(total)}` : ''}`);

export const formatLoadProgress = ({ stage, done, total }: LoadProgress): string =>
  stage === 'weights'
    ? formatByteProgress(stage, done, total)
    : formatProgress(stage, done, total, `${done} of ${total}`);
