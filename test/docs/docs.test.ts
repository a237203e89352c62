/**
 * The code of README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/*.md works. What a block is, its fence says:
 *
 *     ts                run; the blocks of one document are one module, in order, in the repository's root
 *     ts check-only     type-checked as a module of its own
 *     ts src/a/b.ts     an excerpt: stands in that file word for word
 *     ts new src/a.ts   a file that the blocks of its document import
 *     sh, console       every `tessera` and `npm run` command of it exists, with its options
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { parseCommandLine } from '../../src/cli/parse-command-line.ts';
import { isDriverCarried } from '../../src/device/driver-cache.ts';
import { type Block, blocksOf, commandsOf, inPlace } from './blocks.ts';

const documents = ['.', 'docs']
  .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
  .filter((file) => file.endsWith('.md'))
  .map((file) => {
    const markdown = readFileSync(file, 'utf8');
    return {
      file,
      name: file.replace(/\.md$/, '').replaceAll(sep, '-'),
      markdown,
      blocks: blocksOf(markdown),
    };
  });
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>;
};

/** How a command line of the program begins. */
const TESSERA = [
  'tessera',
  'npx tessera',
  'npx tsx src/cli/main.ts',
  'npm run tessera --',
  'npm run describe --',
];

const execute = promisify(execFile);
/** SwiftShader where npm carries it, else the best adapter. */
const env = { ...process.env, ...(isDriverCarried() && { TESSERA_ADAPTER: 'swiftshader' }) };
/** What a child process printed is what a reader needs to see. */
const run = (command: string, args: readonly string[], cwd: string): Promise<string> =>
  execute(command, args, { cwd, env }).then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }) => Promise.reject(new Error(`${stdout}${stderr}`)),
  );

/** Loading a model on a CPU. */
const RUN = { timeout: 300_000 };

/** A copy of the checkout within it, where packages are still found. */
let checkout = '';
beforeAll(() => {
  mkdirSync('.cache', { recursive: true });
  checkout = mkdtempSync('.cache/docs-');
  for (const part of ['src', 'package.json']) cpSync(part, join(checkout, part), { recursive: true });
  for (const part of ['models', 'examples', 'test']) symlinkSync(resolve(part), join(checkout, part));
  const write = (file: string, blocks: readonly Block[]): void => {
    mkdirSync(dirname(join(checkout, file)), { recursive: true });
    if (blocks.length > 0) writeFileSync(join(checkout, file), inPlace(blocks));
  };
  for (const { name, blocks } of documents) {
    write(`${name}.ts`, runnable(blocks));
    for (const block of blocks) {
      if (block.info === 'ts check-only') write(`${name}.check-only.${block.line}.ts`, [block]);
      if (block.info.startsWith('ts new ')) write(block.info.slice('ts new '.length), [block]);
    }
  }
  const compilerOptions = { customConditions: ['@tessera/source'], noUnusedLocals: false };
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['*.ts'] };
  writeFileSync(join(checkout, 'tsconfig.json'), JSON.stringify(config));
});
afterAll(() => rmSync(checkout, { recursive: true, force: true }));

const runnable = (blocks: readonly Block[]): Block[] => blocks.filter(({ info }) => info === 'ts');

test('every block type-checks', async () => {
  await expect(run(resolve('node_modules/.bin/tsc'), ['-p', '.'], checkout)).resolves.toBe('');
});

describe.each(documents)('$file', ({ name, file, markdown, blocks }) => {
  if (runnable(blocks).length > 0) {
    test('its code runs', RUN, async () => {
      const args = ['--conditions=@tessera/source', '--import', 'tsx', `${name}.ts`];
      await run(process.execPath, args, checkout);
    });
  }

  const excerpts = blocks.filter(({ info }) => /^ts (src|test)\//.test(info));
  test.each(excerpts)('line $line quotes $info', ({ info, code }) => {
    expect(readFileSync(info.slice('ts '.length), 'utf8')).toContain(code);
  });

  const lines = blocks.filter(({ info }) => /^(sh|console)$/.test(info)).flatMap(commandsOf);
  test.each(lines.map((words) => [words.join(' '), words] as const))('%s', async (line, words) => {
    const start = TESSERA.find((words) => `${line} `.startsWith(`${words} `))?.split(' ');
    if (start) {
      const command = start.includes('describe') ? ['describe'] : [];
      await checkTessera([...command, ...words.slice(start.length)]);
    } else if (words[0] === 'npm' && words[1] === 'run') expect(Object.keys(scripts)).toContain(words[2]);
    else if (words[0] === 'npx')
      expect(words.filter((path) => path.includes('/') && !existsSync(path))).toEqual([]);
  });

  test('its links lead somewhere', () => {
    const links = [...markdown.matchAll(/\]\((?!\w+:)([^)#]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(dirname(file), link)))).toEqual([]);
  });

  test('its fences are known', () => {
    const known = /^(ts|ts check-only|ts (new )?(src|test)\/\S+\.ts|sh|console|python|json|html|diff|text|)$/;
    expect(blocks.map(({ info }) => info).filter((info) => !known.test(info))).toEqual([]);
  });
});

/** Throws UsageError for an option that the command lacks. */
async function checkTessera([name = '--help', ...args]: readonly string[]): Promise<void> {
  if (name.startsWith('-')) return expect(['--help', '-h', '--version', '-V']).toContain(name);
  const command = await commands.find((entry) => entry.name === name)?.load();
  if (!command) throw new Error(`there is no command "${name}"`);
  parseCommandLine(command, args);
}
