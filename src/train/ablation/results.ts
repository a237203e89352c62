import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ArchitectureLabels } from './architecture.ts';
import type { ArchitectureCost } from './cost.ts';
import type { SweepPoint } from './sweep-config.ts';

/** A finished point of a sweep: one line of JSON. */
export interface SweepResult extends SweepPoint {
  readonly labels: ArchitectureLabels;
  readonly cost: ArchitectureCost;
  readonly adapter: string;
  readonly accuracy: number;
  readonly loss: number;
  readonly trainingMs: number;
  /** Means of neighbouring steps. */
  readonly curve: readonly { readonly step: number; readonly value: number }[];
}

/** Finished points by key; a line that was not written to its end does not count. */
export async function readResults(path: string): Promise<ReadonlyMap<string, SweepResult>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const results = text.split('\n').flatMap((line) => {
    try {
      const json: unknown = JSON.parse(line);
      return isResult(json) ? [json] : [];
    } catch {
      return [];
    }
  });
  return new Map(results.map((result) => [result.key, result]));
}

const isResult = (json: unknown): json is SweepResult =>
  typeof json === 'object' && json !== null && 'key' in json && 'accuracy' in json && 'cost' in json;

/** Begins with a new line where the last was cut off. */
export async function addResult(path: string, result: SweepResult): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const before = await readFile(path, 'utf8').catch(() => '');
  const separator = before === '' || before.endsWith('\n') ? '' : '\n';
  await appendFile(path, `${separator}${JSON.stringify(result)}\n`);
}
