import { readFile } from 'node:fs/promises';
import { InputError } from '../src/core/errors.ts';
import type { ComparableReport, ComparableRow } from './compare.ts';
import type { PeerReport } from './peers/peer-report.ts';
import type { BenchReport } from './report.ts';

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Reads a report that `--json` wrote, of either kind. Throws InputError naming what is missing. */
export async function readReport(path: string): Promise<ComparableReport> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new InputError(`bench: ${path} can't be read: ${error.message}.`);
  });
  return parseReport(text, path);
}

export function parseReport(text: string, path: string): ComparableReport {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`bench: ${path} is no JSON: ${(error as Error).message}.`);
  }
  const fail = (what: string): InputError =>
    new InputError(`bench: ${path} ${what}; expected a report that "tessera bench --json" wrote.`);
  if (!isObject(json)) throw fail('is no object');
  const { adapter, commit, rows, images = [] } = json;
  if (typeof adapter !== 'string' || typeof commit !== 'string') throw fail('names no adapter and commit');
  if (!Array.isArray(rows)) throw fail('has no rows');
  if (!Array.isArray(images)) throw fail('has no list of images');
  const comparable = [...rows, ...images].map((row: unknown, i) => {
    const read = isObject(row) ? readRow(row) : undefined;
    if (read === undefined) throw fail(`has no op, shape, dtype and times in row ${i}`);
    return read;
  });
  return { adapter, commit, rows: comparable.filter((row) => row !== null) };
}

/** A report whole, of either kind, as it was written: only what `parseReport` checks is checked. */
export function parseWholeReport(text: string, path: string): BenchReport | PeerReport {
  parseReport(text, path);
  return JSON.parse(text) as BenchReport | PeerReport;
}

/** null for a row of peers whose own time is missing, undefined for what is no row. */
function readRow(row: Json): ComparableRow | null | undefined {
  const { op, shape, dtype } = row;
  if (![op, shape, dtype].every((part) => typeof part === 'string')) return undefined;
  const name = [op, shape, dtype].join(' ');
  if (isObject(row.timings)) {
    const own = row.timings.tessera;
    if (!isObject(own) || 'reason' in own) return null;
    return withTimes(name, own.median, own.p10, own.p90);
  }
  return withTimes(name, row.ms, row.p10, row.p90);
}

function withTimes(name: string, median: unknown, p10: unknown, p90: unknown): ComparableRow | undefined {
  const isTime = (value: unknown): value is number => typeof value === 'number' && value > 0;
  return isTime(median) && isTime(p10) && isTime(p90) ? { name, median, p10, p90 } : undefined;
}
