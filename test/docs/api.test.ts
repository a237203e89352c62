/** docs/api is what `npm run docs` makes of the docstrings, and every symbol that the package gives out has one. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
const COMMITTED = 'docs/api';
let made: string;

beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'tessera-api-'));
});
afterAll(() => rm(made, { recursive: true }));

async function pagesOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.md')).sort();
  return Object.fromEntries(
    await Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), 'utf8')])),
  );
}

test('the API reference is up to date; "npm run docs" makes it anew', { timeout: 300_000 }, async () => {
  const [node = '', ...args] = packageJson.scripts.docs.split(' ');
  expect(node).toBe('node');
  // Where a symbol lacks a docstring this fails, and what it prints names the symbol.
  await run(process.execPath, [...args, '--out', made, '--logLevel', 'Warn']);
  const [pages, committed] = [await pagesOf(made), await pagesOf(COMMITTED)];
  expect(Object.keys(committed)).toEqual(Object.keys(pages));
  for (const [file, page] of Object.entries(pages)) expect(committed[file], file).toBe(page);
  expect(Object.keys(pages)).toHaveLength(3);
});
