import { readdirSync, readFileSync } from 'node:fs';
import { build } from 'esbuild';
import { type RangeServer, serveFiles, startServer } from '../weights/range-server.ts';

const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Tessera</title>';
const FOLDERS = ['models/demo', 'examples', 'test/video/clips'];

/** Recorded checkpoints, under test/goldens: one of each family. */
export const GOLDENS = [
  'llava15',
  'llava_onevision',
  'paligemma',
  'gemma3',
  'qwen3_vl',
  'smolvlm',
  'llama3_text',
  'clip',
  'siglip',
];

/** A bare page at `/`, `page.ts` bundled with the engine at `/page.js`, and the folders above by their paths. */
export async function servePage(): Promise<RangeServer> {
  const files = new Map<string, Uint8Array>([['/', new TextEncoder().encode(PAGE)]]);
  for (const folder of [...FOLDERS, ...GOLDENS.map((name) => `test/goldens/${name}`)]) {
    for (const file of readdirSync(folder))
      files.set(`/${folder}/${file}`, readFileSync(`${folder}/${file}`));
  }
  for (const { path, contents } of await bundle()) files.set(path, contents);
  const serve = serveFiles(files);
  return startServer((request, response) => {
    response.setHeader('Content-Type', contentType(request.url ?? ''));
    serve(request, response);
  });
}

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: ['test/runtimes/page.ts'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    outdir: '/',
    write: false,
  });
  return outputFiles;
}

function contentType(path: string): string {
  if (path === '/') return 'text/html';
  return path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
}
