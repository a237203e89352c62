/** The static build of the page: files that any web server can serve, from any path. */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

const SOURCE = 'src/web';
const MODEL = 'models/demo';
const AS_THEY_ARE = ['index.html', 'icon.svg', 'band.svg', 'manifest.webmanifest'];

export interface PageBuild {
  /** Keeps the page in the browser for when there is no network; not while someone works on it. */
  readonly offline: boolean;
}

/** Builds the page into `folder`, which is emptied. */
export async function buildPage(folder: string, { offline }: PageBuild): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of AS_THEY_ARE) cpSync(join(SOURCE, file), join(folder, file));
  mkdirSync(join(folder, 'examples'));
  for (const file of readdirSync('examples').filter((name) => name.endsWith('.png')))
    cpSync(join('examples', file), join(folder, 'examples', file));
  cpSync(MODEL, join(folder, MODEL), { recursive: true, filter: (path) => !path.endsWith('.md') });

  const shared: BuildOptions = {
    bundle: true,
    minify: true,
    sourcemap: true,
    target: ['chrome113', 'firefox128', 'safari18'],
    outdir: folder,
    logLevel: 'warning',
  };
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  await build({
    ...shared,
    entryPoints: { main: `${SOURCE}/page/main.ts`, engine: `${SOURCE}/engine/worker.ts` },
    format: 'esm',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    define: {
      BUILT_IN: JSON.stringify(builtIn()),
      VERSION: JSON.stringify(version),
      OFFLINE: String(offline),
    },
  });
  await build({
    ...shared,
    entryPoints: { theme: `${SOURCE}/page/theme.ts`, style: `${SOURCE}/styles/style.css` },
    format: 'iife',
    external: ['*.svg'],
  });
  if (offline) await buildServiceWorker(folder, shared);
}

/** Sizes of the built-in model's files, and a name for its bytes. */
function builtIn() {
  const names = readdirSync(MODEL).filter((name) => !name.endsWith('.md'));
  const hash = createHash('sha256');
  for (const name of names) hash.update(name).update(readFileSync(join(MODEL, name)));
  return {
    revision: hash.digest('hex').slice(0, 12),
    files: Object.fromEntries(names.map((name) => [name, statSync(join(MODEL, name)).size])),
  };
}

/** It keeps all files but the model, which the page stores itself. */
async function buildServiceWorker(folder: string, shared: BuildOptions): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => statSync(join(folder, file)).isFile() && !/^models\/|\.map$/.test(file))
    .sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update(readFileSync(join(folder, file)));
  await build({
    ...shared,
    entryPoints: { 'service-worker': `${SOURCE}/offline/service-worker.ts` },
    format: 'iife',
    define: {
      FILES: JSON.stringify(['./', ...files]),
      REVISION: JSON.stringify(hash.digest('hex').slice(0, 12)),
    },
  });
  writeFileSync(join(folder, '.nojekyll'), '');
}
