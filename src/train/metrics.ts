import { appendFile, readFile } from 'node:fs/promises';
import { replaceFile } from './atomic-folder.ts';

/** What is known of a step: one line of JSON. Numbers that are not finite are null. */
export interface MetricsLine {
  /** Steps taken, this one included. */
  readonly step: number;
  readonly [name: string]: number | null;
}

/** Metrics of a training: a line of JSON per step, in a file and in memory. */
export interface Metrics {
  readonly lines: readonly MetricsLine[];
  add(step: number, values: Readonly<Record<string, number>>): void;
  /** Writes what was added since. */
  flush(): Promise<void>;
}

/**
 * Opens a file of metrics to go on after `step`. Lines of later steps, which a training that was killed took after its last
 * checkpoint, are dropped, and so is a line that was not written to its end.
 */
export async function openMetrics(path: string, step: number): Promise<Metrics> {
  const lines = parseLines(await readIfPresent(path)).filter((line) => line.step <= step);
  await replaceFile(path, lines.map(toText).join(''));
  let unwritten: MetricsLine[] = [];
  return {
    lines,
    add(at, values) {
      const finite = Object.entries(values).map(([name, value]) => [
        name,
        Number.isFinite(value) ? value : null,
      ]);
      const line = { step: at, ...Object.fromEntries(finite) } as MetricsLine;
      lines.push(line);
      unwritten.push(line);
    },
    async flush() {
      const text = unwritten.map(toText).join('');
      unwritten = [];
      if (text !== '') await appendFile(path, text);
    },
  };
}

const toText = (line: MetricsLine): string => `${JSON.stringify(line)}\n`;

async function readIfPresent(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

function parseLines(text: string): MetricsLine[] {
  return text.split('\n').flatMap((line) => {
    try {
      const json: unknown = JSON.parse(line);
      return isMetricsLine(json) ? [json] : [];
    } catch {
      return [];
    }
  });
}

const isMetricsLine = (json: unknown): json is MetricsLine =>
  typeof json === 'object' && json !== null && 'step' in json && typeof json.step === 'number';
