/** What `npm pack` makes, installed in an empty project as a person would. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { findCarriedDriver } from '../../src/device/driver-cache.ts';
import { testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { buildWithVite } from '../runtimes/build-with-vite.ts';

const run = promisify(execFile);
const adapter = testAdapters().at(-1);
let project: string;
let tarball: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'tessera-pack-'));
  await run('npm', ['pack', '--silent', '--pack-destination', project]);
  const [name] = (await readdir(project)).filter((file) => file.endsWith('.tgz'));
  tarball = join(project, name ?? 'no tarball');
  await writeFile(join(project, 'package.json'), '{"name":"empty","private":true,"type":"module"}');
  await run('npm', ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund'], { cwd: project });
  // The optional peers, which are large: this checkout's own will do.
  for (const peer of Object.keys(packageJson.peerDependencies)) {
    const place = join(project, 'node_modules', peer);
    await mkdir(dirname(place), { recursive: true });
    await symlink(resolve('node_modules', peer), place);
  }
}, 300_000);
afterAll(() => rm(project, { recursive: true }));

test('is well formed', async () => {
  const bytes = await readFile(tarball);
  const { messages, pkg } = await publint({
    pack: { tarball: Uint8Array.from(bytes).buffer },
    level: 'warning',
    strict: true,
  });
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
});

/** What ml-matrix and prom-client themselves depend on. */
const OF_DEPENDENCIES = [
  ...['is-any-array', 'ml-array-max', 'ml-array-min', 'ml-array-rescale'],
  ...['@opentelemetry/api', 'bintrees', 'tdigest'],
];

test('holds the built-in model and no tests, and its dependencies are few', async () => {
  const installed = join(project, 'node_modules/tessera-vlm');
  const top = (await readdir(installed)).sort();
  expect(top).toEqual([...['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'models', 'package.json', 'src']]);
  expect(await readdir(join(installed, 'models'))).toEqual(['demo']);
  const folders = (await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.'));
  const namesIn = async (folder: string): Promise<string[]> =>
    folder.startsWith('@')
      ? (await readdir(join(project, 'node_modules', folder))).map((name) => `${folder}/${name}`)
      : [folder];
  const names = (await Promise.all(folders.map(namesIn))).flat();
  expect(names.filter((name) => !(name in packageJson.peerDependencies)).sort()).toEqual(
    [...Object.keys(packageJson.dependencies), ...OF_DEPENDENCIES, packageJson.name].sort(),
  );
});

test('has the command', async () => {
  const { stdout } = await run('npx', ['--no-install', 'tessera', '--version'], { cwd: project });
  expect(stdout).toBe(`${packageJson.version}\n`);
});

test('has the paths its exports name', async () => {
  const program = [
    "const { mlpProjector } = await import('tessera-vlm/models/projectors/mlp');",
    "const { Graph } = await import('tessera-vlm/graph/graph');",
    "const engine = await import('tessera-vlm/engine');",
    'console.log(typeof mlpProjector, typeof Graph, engine.Graph === Graph);',
    "await import('tessera-vlm/runtime/session').catch(({ code }) => console.log(code));",
  ];
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program.join('\n')], {
    cwd: project,
  });
  expect(stdout).toBe('function function true\nERR_PACKAGE_PATH_NOT_EXPORTED\n');
});

test('is typed', async () => {
  await mkdir(join(project, 'typed'), { recursive: true });
  const program = [
    "import { loadModel, type VisionLanguageModel } from 'tessera-vlm';",
    'const model: VisionLanguageModel = await loadModel();',
    "const { text } = await model.describe('a.png', { greedy: true });",
    'export const length: number = text.length;',
    "for await (const piece of model.generate({ prompt: 'x' })) piece.toUpperCase();",
    "import { composeVlm, type ProjectorChoice, projectors, tokensPerImage } from 'tessera-vlm';",
    "import { linear } from 'tessera-vlm/graph/linear';",
    "import { clipEncoder } from 'tessera-vlm/models/compose/vision-encoder';",
    "import { compileWith, type Plan, tensorKernels } from 'tessera-vlm/engine';",
    'export const compiler: (...args: Parameters<typeof compileWith>) => Plan = compileWith;',
    'export const sets = [tensorKernels];',
    'export const own: ProjectorChoice = ({ textHiddenSize: C, visionHiddenSize: Cv }) => ({',
    "  name: 'own', tokens: 4, project: (x, w) => linear(x, w.get('weight', [C, Cv])),",
    '});',
    'export const parts = [composeVlm, projectors.mlp(), tokensPerImage, clipEncoder] as const;',
  ];
  await writeFile(join(project, 'typed/main.ts'), program.join('\n'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2022'];
  const types = ['--types', resolve('node_modules/@webgpu/types')];
  await run(resolve('node_modules/.bin/tsc'), [...options, ...types, 'typed/main.ts'], { cwd: project });
});

test('is built into a page by Vite, without a warning', async () => {
  const page = join(project, 'page');
  await mkdir(page);
  await writeFile(join(page, 'index.html'), '<!doctype html><script type="module" src="/main.js"></script>');
  const program = "import * as engine from 'tessera-vlm/engine'; import * as all from 'tessera-vlm';";
  await writeFile(join(page, 'main.js'), `${program} console.log(engine, all);`);
  expect(await buildWithVite(page)).toEqual([]);
});

test.skipIf(adapter === undefined)('answers, from the command and from a program', async () => {
  await findCarriedDriver(); // into the cache, as `tessera doctor --install-driver` would
  const picture = resolve('examples/scene-02.png');
  const env = { ...process.env, TESSERA_ADAPTER: adapter };
  await copyFile('examples/embed.mjs', join(project, 'embed.mjs'));
  const fromProgram = await run(process.execPath, ['embed.mjs', picture], { cwd: project, env });
  const fromCommand = await run('npx', ['--no-install', 'tessera', 'describe', picture, '--greedy'], {
    cwd: project,
    env,
  });
  const answer = `${expectedAnswer('scene-02.png', 'Describe the image.').answer}\n`;
  expect({ program: fromProgram.stdout, command: fromCommand.stdout }).toEqual({
    program: answer,
    command: answer,
  });
});
