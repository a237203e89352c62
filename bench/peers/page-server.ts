import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';
import { build, type PluginBuild } from 'esbuild';
import { TFJS_ENTRY } from './bundle-tfjs.ts';
import { TFJS_BUNDLE } from './tfjs-bundle.ts';

export interface PageServer {
  readonly url: string;
  close(): void;
}

const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Peers</title>';
const TYPES: Readonly<Record<string, string>> = {
  '': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};
/** Packages that a page may ask for. */
const LOADED = ['@jax-js/jax', 'onnxruntime-web/webgpu', TFJS_BUNDLE];

/** A page at `/` on this machine alone, the engines bundled for it at `/page.js`, and files of packages under `/packages`. */
export async function servePeerPage(folder: string): Promise<PageServer> {
  const scripts = new Map((await bundle(folder)).map(({ path, contents }) => [path, contents]));
  const packages = join(folder, 'node_modules') + sep;
  const server = createServer(({ url = '/' }, response) => {
    const path = decodeURIComponent(new URL(url, 'http://localhost').pathname);
    const script = scripts.get(path);
    const file = normalize(join(packages, path.slice('/packages/'.length)));
    response.setHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
    if (path === '/') response.end(PAGE);
    else if (script) response.end(script);
    else if (path.startsWith('/packages/') && file.startsWith(packages))
      createReadStream(file)
        .on('error', () => response.writeHead(404).end())
        .pipe(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => void server.close() };
}

/** In a page it is bundled with the rest, not for Node. */
function resolveTfjs({ onResolve, onLoad }: PluginBuild): void {
  onResolve({ filter: /tfjs\.bundle\.js$/ }, ({ path }) => ({ path, namespace: 'tfjs' }));
  onLoad({ filter: /.*/, namespace: 'tfjs' }, () => ({
    contents: TFJS_ENTRY,
    resolveDir: import.meta.dirname,
  }));
}

async function bundle(folder: string) {
  const imports = LOADED.map((name) => `'${name}': () => import('${name}')`);
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { startInPage } from './page-child.ts';
        const packages = { ${imports.join(', ')} };
        export const start = (name) => startInPage(name, (wanted) => packages[wanted]());
      `,
      resolveDir: import.meta.dirname,
      sourcefile: 'page.js',
    },
    plugins: [{ name: 'tfjs', setup: resolveTfjs }],
    nodePaths: [join(folder, 'node_modules')],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    outdir: '/',
    entryNames: 'page',
    write: false,
    logLevel: 'silent',
  });
  return outputFiles;
}
