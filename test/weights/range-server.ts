import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface RangeServer {
  /** Without a slash at its end. */
  readonly url: string;
  /** Paths with their Range header, in the order they came. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** A real HTTP server on a free local port. */
export async function startServer(handler: Handler): Promise<RangeServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? ''}`.trim());
    handler(request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

/** First and last byte that a request asks for. */
export function askedRange(request: IncomingMessage): readonly [number, number] {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (match === null) throw new Error(`request without a range: ${request.url}`);
  return [Number(match[1]), Number(match[2])];
}

/** Serves `files` by path as a correct server does: 206 for a range, 200 without one, 404 for others. */
export function serveFiles(files: ReadonlyMap<string, Uint8Array>): Handler {
  return (request, response) => {
    const file = files.get(request.url ?? '');
    if (file === undefined) {
      response.writeHead(404).end();
    } else if (request.headers.range === undefined) {
      response.writeHead(200).end(file);
    } else {
      const [begin, end] = askedRange(request);
      if (begin >= file.length) {
        response.writeHead(416, { 'Content-Range': `bytes */${file.length}` }).end();
        return;
      }
      const last = Math.min(end, file.length - 1);
      response
        .writeHead(206, { 'Content-Range': `bytes ${begin}-${last}/${file.length}` })
        .end(file.subarray(begin, last + 1));
    }
  };
}
