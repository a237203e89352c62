import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchOptions } from '../src/cli/bench.ts';
import { UsageError } from '../src/cli/usage-error.ts';
import { compareReports, formatComparison } from './compare.ts';
import type { KeptReport } from './html/history.ts';
import { reportPage } from './html/page.ts';
import { markdownTable } from './markdown.ts';
import { parseReport, parseWholeReport, readReport } from './read-report.ts';

/** Reports that were kept, one file each: the history that pages show. */
const RESULTS = join(import.meta.dirname, 'results');

/** Writes a report as the files that were asked for. Gives the exit code. */
export async function writeReports(
  json: string,
  { json: jsonFile, html, markdown, from }: BenchOptions,
  stdout: NodeJS.WriteStream,
): Promise<number> {
  const report = parseWholeReport(json, from ?? 'the report');
  if (jsonFile !== undefined) await writeFile(jsonFile, `${json.trimEnd()}\n`);
  if (html !== undefined) await writeFile(html, reportPage(report, await readHistory()));
  if (markdown !== undefined) await writeFile(markdown, markdownTable(report));
  const asked = [jsonFile, html, markdown].some((file) => file !== undefined);
  if (from !== undefined && !asked) stdout.write(markdownTable(report));
  return 0;
}

async function readHistory(): Promise<readonly KeptReport[]> {
  const files = await readdir(RESULTS).catch(() => []);
  const jsons = files.filter((file) => file.endsWith('.json')).sort();
  return Promise.all(
    jsons.map(async (file) => {
      const text = await readFile(join(RESULTS, file), 'utf8');
      const { measuredAt } = JSON.parse(text) as { measuredAt?: unknown };
      return { ...parseReport(text, file), measuredAt: typeof measuredAt === 'string' ? measuredAt : file };
    }),
  );
}

/** `--compare BEFORE AFTER`: the table, and 1 where a row got slower beyond noise. */
export async function compareFiles(files: readonly string[], stdout: NodeJS.WriteStream): Promise<number> {
  const [before, after] = files;
  if (before === undefined || after === undefined)
    throw new UsageError('bench --compare needs two files: BEFORE.json AFTER.json.');
  const comparison = compareReports(await readReport(before), await readReport(after));
  stdout.write(`${formatComparison(comparison).join('\n')}\n`);
  return comparison.rows.some(({ verdict }) => verdict === 'slower') ? 1 : 0;
}
