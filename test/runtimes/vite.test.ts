/** A page of somebody else's that imports the package, built by Vite from the sources and run in Chromium. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectedAnswer } from '../expected-answer.ts';
import { serveFiles, startServer } from '../weights/range-server.ts';
import { buildWithVite } from './build-with-vite.ts';
import { hasChromium, inChromium, launchChromium } from './chromium.ts';

const QUESTION = 'How many carrots are there?';
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>asking</title>
<script type="module" src="/main.ts"></script>`;
const PROGRAM = `
import { loadModel } from 'tessera-vlm';
import { Graph } from 'tessera-vlm/engine';

const model = await loadModel(new URL('/models/demo/', location.href));
const picture = await (await fetch('/scene.png')).blob();
const { text } = await model.describe(picture, { prompt: ${JSON.stringify(QUESTION)}, greedy: true });
model.dispose();
document.title = new Graph().nodes.length + ' ' + text;
`;

let project: string;
let complaints: readonly string[];

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'tessera-vite-'));
  await mkdir(join(project, 'node_modules'));
  await symlink(resolve('.'), join(project, 'node_modules/tessera-vlm'));
  await writeFile(join(project, 'index.html'), PAGE);
  await writeFile(join(project, 'main.ts'), PROGRAM);
  complaints = await buildWithVite(project, ['@tessera/source', 'module', 'browser', 'production']);
});
afterAll(() => rm(project, { recursive: true, force: true }));

test('Vite builds it without a warning, and nothing of Node is in it', async () => {
  expect(complaints).toEqual([]);
  const files = (await readdir(join(project, 'dist/assets'))).filter((file) => file.endsWith('.js'));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) {
    const code = await readFile(join(project, 'dist/assets', file), 'utf8');
    expect(code, file).not.toMatch(/(from|import)\s*\(?\s*["'`](node:|webgpu|sharp|@napi-rs)/);
  }
});

test.skipIf(!hasChromium)(inChromium('what Vite built answers'), async () => {
  const files = new Map<string, Uint8Array>();
  const add = async (folder: string, path: string): Promise<void> => {
    for (const file of await readdir(folder))
      files.set(`${path}/${file}`, await readFile(`${folder}/${file}`));
  };
  await add(join(project, 'dist/assets'), '/assets');
  await add('models/demo', '/models/demo');
  files.set('/', await readFile(join(project, 'dist/index.html')));
  files.set('/scene.png', await readFile('examples/scene-02.png'));
  const serve = serveFiles(files);
  const server = await startServer((request, response) => {
    const { url = '' } = request;
    response.setHeader('Content-Type', url === '/' ? 'text/html' : 'text/javascript');
    serve(request, response);
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const failure = new Promise<string>((done) => page.on('pageerror', (error) => done(String(error))));
    await page.goto(server.url);
    const title = page.waitForFunction("document.title !== 'asking' && document.title", undefined, {
      timeout: 100_000,
    });
    const said = await Promise.race([title.then((handle) => handle.jsonValue()), failure]);
    expect(said).toBe(`0 ${expectedAnswer('scene-02.png', QUESTION).answer}`);
  } finally {
    await browser.close();
    await server.close();
  }
});
