/** A small server for the built page: ranges, types, and nothing outside of its folder. */
import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
};

/** Serves `folder` under `base` (`/` or `/some/path/`) on the loopback address. */
export function servePage(folder: string, base = '/'): Server {
  return createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const file = pathname.startsWith(base) ? fileOf(folder, pathname.slice(base.length)) : undefined;
    if (file === undefined || !/^(GET|HEAD)$/.test(request.method ?? '')) {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('There is no such file.');
      return;
    }
    const { size } = statSync(file);
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    const [, begin, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const first = Number(begin ?? 0);
    const last = Math.min(end ? Number(end) : size - 1, size - 1);
    if (begin !== undefined && first >= size) {
      response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
      return;
    }
    response.writeHead(begin === undefined ? 200 : 206, {
      'Content-Type': type,
      'Content-Length': last - first + 1,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-cache',
      ...(begin !== undefined && { 'Content-Range': `bytes ${first}-${last}/${size}` }),
    });
    if (request.method === 'HEAD' || size === 0) response.end();
    else createReadStream(file, { start: first, end: last }).pipe(response);
  });
}

function fileOf(folder: string, path: string): string | undefined {
  const file = normalize(join(folder, decodeURIComponent(path) || 'index.html'));
  if (!file.startsWith(normalize(folder + sep))) return undefined;
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined;
}
