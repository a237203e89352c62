import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hubFolder, isHubId } from '../../src/weights/hub.ts';

const COMMIT = 'a'.repeat(40);
const weights = Buffer.alloc(300_000, 7);
const config = Buffer.from('{"model_type":"llava"}');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** As `GET /api/models/ID/revision/REV?blobs=true` answers. */
const listing = {
  sha: COMMIT,
  siblings: [
    { rfilename: 'README.md', size: 10, blobId: '0'.repeat(40) },
    { rfilename: 'config.json', size: config.length, blobId: gitHash(config) },
    { rfilename: 'onnx/model.safetensors', size: 5, blobId: '1'.repeat(40) },
    {
      rfilename: 'model.safetensors',
      size: weights.length,
      blobId: '2'.repeat(40),
      lfs: { sha256: sha256(weights), size: weights.length, pointerSize: 134 },
    },
    {
      rfilename: 'consolidated.safetensors',
      size: 9,
      blobId: '3'.repeat(40),
      lfs: { sha256: '4'.repeat(64), size: 9, pointerSize: 134 },
    },
  ],
};

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;
let server: Server;
let home: string;
let env: NodeJS.ProcessEnv;
let requests: string[];
/** Answers what it returns true for; the rest is answered as a hub that is well. */
let trouble: Answer;

const hub: Answer = (request, response) => {
  const path = request.url ?? '';
  const bodies: Record<string, Buffer> = {
    '/api/models/org/tiny/revision/main?blobs=true': Buffer.from(JSON.stringify(listing)),
    [`/org/tiny/resolve/${COMMIT}/config.json`]: config,
    [`/org/tiny/resolve/${COMMIT}/model.safetensors`]: weights,
  };
  const body = bodies[path];
  response.statusCode = body ? 200 : 404;
  response.end(body);
  return true;
};

beforeEach(async () => {
  requests = [];
  trouble = () => false;
  server = createServer((request, response) => {
    requests.push(request.url ?? '');
    if (!trouble(request, response)) hub(request, response);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  home = await mkdtemp(join(tmpdir(), 'tessera-hub-'));
  env = { HF_HOME: home, HF_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
  await rm(home, { recursive: true });
});

const blobs = (): Promise<string[]> => readdir(join(home, 'hub/models--org--tiny/blobs'));

describe('hubFolder', () => {
  test('downloads what a checkpoint is read from, in the layout that other tools share', async () => {
    const progress: { done: number; total: number }[] = [];
    const folder = await hubFolder('org/tiny', { env, onProgress: (step) => progress.push(step) });
    expect(folder).toBe(join(home, `hub/models--org--tiny/snapshots/${COMMIT}`));
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect((await lstat(join(folder, 'config.json'))).isSymbolicLink()).toBe(true);
    expect((await blobs()).sort()).toEqual([gitHash(config), sha256(weights)].sort());
    expect(await readFile(join(home, 'hub/models--org--tiny/refs/main'), 'utf8')).toBe(COMMIT);
    const bytes = weights.length + config.length;
    expect(progress.at(-1)).toEqual({ done: bytes, total: bytes });
  });

  test('downloads nothing twice', async () => {
    await hubFolder('org/tiny', { env });
    requests = [];
    await hubFolder('org/tiny', { env });
    expect(requests).toEqual(['/api/models/org/tiny/revision/main?blobs=true']);
  });

  test('sends the token', async () => {
    const seen: (string | undefined)[] = [];
    trouble = (request) => {
      seen.push(request.headers.authorization);
      return false;
    };
    await hubFolder('org/tiny', { env: { ...env, HF_TOKEN: 'hf_secret' } });
    expect(new Set(seen)).toEqual(new Set(['Bearer hf_secret']));
  });

  test('works from the cache alone with HF_HUB_OFFLINE', async () => {
    const offline = { ...env, HF_HUB_OFFLINE: '1' };
    await expect(hubFolder('org/tiny', { env: offline })).rejects.toThrow('"main" is not in the cache');
    const folder = await hubFolder('org/tiny', { env });
    requests = [];
    expect(await hubFolder('org/tiny', { env: offline })).toBe(folder);
    expect(requests).toEqual([]);
  });

  test('refuses a damaged file and keeps nothing of it', async () => {
    trouble = (request, response) => {
      if (!request.url?.endsWith('model.safetensors')) return false;
      response.end(Buffer.alloc(weights.length, 8));
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(sha256(weights));
    expect(await blobs()).toEqual([gitHash(config)]);
  });

  test('says where a download broke off, and goes on from the whole files', async () => {
    trouble = (request, response) => {
      if (!request.url?.endsWith('model.safetensors')) return false;
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 1000), () => request.socket.destroy());
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(
      /model.safetensors broke off after \d+ of 300000/,
    );
    expect(await blobs()).toEqual([gitHash(config)]);
    trouble = () => false;
    requests = [];
    await hubFolder('org/tiny', { env });
    expect(requests.some((path) => path.endsWith('config.json'))).toBe(false);
  });

  test.each([
    [404, {}, 'has no such model (404)'],
    [401, {}, 'If it is private, set HF_TOKEN'],
    [401, { 'x-error-code': 'GatedRepo' }, 'it is gated (401)'],
    [403, {}, 'it is gated (403)'],
    [404, { 'x-error-code': 'RevisionNotFound' }, 'has no revision "main"'],
    [503, {}, 'answered 503'],
  ])('explains a refusal: %i %j', async (status, headers, message) => {
    trouble = (_, response) => {
      response.writeHead(status, headers).end();
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(message);
  });

  test('says that the hub cannot be reached', async () => {
    const nowhere = { ...env, HF_ENDPOINT: 'http://127.0.0.1:1' };
    await expect(hubFolder('org/tiny', { env: nowhere })).rejects.toThrow(
      /127.0.0.1:1 can't be reached .*HF_HUB_OFFLINE=1/,
    );
  });

  test('stops on a signal', async () => {
    const abort = new AbortController();
    trouble = (request, response) => {
      if (!request.url?.endsWith('model.safetensors')) return false;
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 1000), () => abort.abort());
      return true;
    };
    await expect(hubFolder('org/tiny', { env, signal: abort.signal })).rejects.toThrow('aborted');
    expect(await blobs()).toEqual([gitHash(config)]);
  });

  test.each([
    ['no listing', '[]', 'sent no listing'],
    [
      'a name that is no plain name',
      { rfilename: 'a\\b.json', size: 1, blobId: '0'.repeat(40) },
      'plain name',
    ],
    ['a hash that is a path', { rfilename: 'a.json', size: 1, blobId: '../../x' }, 'expected 40 or 64'],
    ['a file without size', { rfilename: 'a.json', blobId: '0'.repeat(40) }, 'without name, size or hash'],
  ])('checks what the hub lists: %s', async (_, file, message) => {
    const body = typeof file === 'string' ? file : JSON.stringify({ sha: COMMIT, siblings: [file] });
    trouble = (_request, response) => {
      response.end(body);
      return true;
    };
    await expect(hubFolder('org/tiny', { env })).rejects.toThrow(message);
  });
});

test.each([
  ['org/name', true],
  ['Qwen/Qwen2.5-VL-3B', true],
  ['name', false],
  ['./models', false],
  ['../x', false],
  ['a/b/c', false],
  ['/a', false],
])('isHubId(%j) is %s', (text, expected) => expect(isHubId(text)).toBe(expected));
