import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { startServer } from '../range-server.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
export const gitHash = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Bytes that no shift or repetition of themselves equals. */
export function noise(byteLength: number): Buffer {
  const bytes = Buffer.alloc(byteLength);
  for (let i = 0, state = 1; i < byteLength; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A request for one file: which bytes of it, and how to answer. */
export interface FileRequest {
  readonly name: string;
  /** How many requests for this file came before. */
  readonly earlier: number;
  /** Undefined where the whole file is asked for. */
  readonly range: { readonly begin: number; readonly end: number } | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Answers as a hub that is well, from `body` in place of the file if told. */
  answer(body?: Uint8Array): void;
  /** Sends the head and so many bytes of the answer. */
  begin(byteLength: number, then: () => void): void;
}

export interface HubServer {
  readonly url: string;
  /** Paths with their Range header. */
  readonly requests: string[];
  /** Bytes of bodies that were sent, by file. */
  readonly served: Map<string, number>;
  /** Authorization headers as they came, with the path. */
  readonly authorizations: (readonly [string, string | undefined])[];
  /** Called for each request; true where it answered by itself. */
  trouble: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Called for each request for a file; answers as is fit. */
  onFile: (file: FileRequest) => void;
  close(): Promise<void>;
}

export interface HubModel {
  readonly id: string;
  readonly commit: string;
  /** By name; those that are over a kilobyte are listed as LFS files, as on the hub. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** As `GET /api/models/ID/revision/REV?blobs=true` answers. */
export const listingOf = ({ commit, files }: HubModel) => ({
  sha: commit,
  siblings: [...files].map(([rfilename, bytes]) => ({
    rfilename,
    size: bytes.length,
    blobId: gitHash(bytes),
    ...(bytes.length > 1024 && { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 } }),
  })),
});

/** A hub on a free local port with these models; the first is known as revision `main` too, each by its commit. */
export async function startHubServer(models: readonly HubModel[]): Promise<HubServer> {
  const counts = new Map<string, number>();
  const served = new Map<string, number>();
  const authorizations: (readonly [string, string | undefined])[] = [];

  const fileRequest = (
    name: string,
    file: Uint8Array,
    request: IncomingMessage,
    response: ServerResponse,
  ) => {
    const earlier = counts.get(name) ?? 0;
    counts.set(name, earlier + 1);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const range = first === undefined ? undefined : { begin: Number(first), end: Number(last) + 1 };
    const count = (byteLength: number): void => {
      served.set(name, (served.get(name) ?? 0) + byteLength);
    };
    const head = (part: Uint8Array): void => {
      const length = { 'content-length': part.length };
      if (range) {
        const content = `bytes ${range.begin}-${range.end - 1}/${file.length}`;
        response.writeHead(206, { ...length, 'content-range': content });
      } else {
        response.writeHead(200, length);
      }
    };
    const partOf = (body: Uint8Array) => (range ? body.subarray(range.begin, range.end) : body);
    const asked: FileRequest = {
      name,
      earlier,
      range,
      request,
      response,
      answer(body = file) {
        // Nobody waits any more.
        if (response.destroyed) return;
        head(partOf(body));
        response.end(partOf(body));
        count(partOf(body).length);
      },
      begin(byteLength, then) {
        head(partOf(file));
        const bytes = partOf(file).subarray(0, byteLength);
        count(bytes.length);
        // A moment for the bytes to leave, before the connection is cut behind them.
        response.write(bytes, () => setTimeout(then, 20));
      },
    };
    return asked;
  };

  const server = await startServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    authorizations.push([path, request.headers.authorization]);
    if (hub.trouble(request, response)) return;
    for (const [i, model] of models.entries()) {
      const revisions = i === 0 ? ['main', 'v1.0', 'pr/1', model.commit] : [model.commit];
      if (revisions.some((name) => path === `/api/models/${model.id}/revision/${name}?blobs=true`)) {
        response.end(JSON.stringify(listingOf(model)));
        return;
      }
      const prefix = `/${model.id}/resolve/${model.commit}/`;
      const name = path.startsWith(prefix) ? path.slice(prefix.length) : '';
      const file = model.files.get(name);
      if (file) {
        hub.onFile(fileRequest(name, file, request, response));
        return;
      }
    }
    response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
  });
  const hub: HubServer = {
    ...server,
    served,
    authorizations,
    trouble: () => false,
    onFile: (file) => file.answer(),
  };
  return hub;
}
