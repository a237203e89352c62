import { afterEach, expect, test } from 'vitest';
import { AbortError, InputError, WeightError } from '../../src/core/errors.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { memoryFiles, readJson, readText, urlFiles } from '../../src/weights/checkpoint-files.ts';
import { readChunks } from '../../src/weights/chunks.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { urlSource } from '../../src/weights/url-source.ts';
import { encodeSafetensors } from '../../src/weights/write-safetensors.ts';
import { askedRange, type Handler, type RangeServer, serveFiles, startServer } from './range-server.ts';
import { bytesOf } from './raw-file.ts';

const FILE = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const PATH = '/model.safetensors';
const honest = serveFiles(new Map([[PATH, FILE]]));

const servers: RangeServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});
async function serve(handler: Handler): Promise<RangeServer> {
  const server = await startServer(handler);
  servers.push(server);
  return server;
}

/** Honest for the probe (byte 0), `handler` from then on. */
const afterProbe =
  (handler: Handler): Handler =>
  (request, response) =>
    (request.headers.range === 'bytes=0-0' ? honest : handler)(request, response);

const openModel = async (handler: Handler) => urlSource((await serve(handler)).url + PATH);

test('reads exactly the ranges it is asked for, and no more', async () => {
  const server = await serve(honest);
  const source = await urlSource(server.url + PATH);
  expect(source).toMatchObject({ name: 'model.safetensors', byteLength: 1000 });
  expect([...(await source.read(250, 4))]).toEqual([250, 0, 1, 2]);
  expect(await source.read(0, 1000)).toEqual(FILE);
  expect((await source.read(1000, 0)).length).toBe(0);
  await expect(source.read(998, 3)).rejects.toThrow(/read of bytes 998 to 1001 of a file of 1000 bytes/);
  expect(server.requests).toEqual([`${PATH} bytes=0-0`, `${PATH} bytes=250-253`, `${PATH} bytes=0-999`]);
});

test('a redirect to another path is followed for each request', async () => {
  const server = await serve((request, response) => {
    if (request.url === PATH) response.writeHead(302, { Location: '/blob' }).end();
    else serveFiles(new Map([['/blob', FILE]]))(request, response);
  });
  const source = await urlSource(server.url + PATH);
  expect([...(await source.read(7, 2))]).toEqual([7, 8]);
  expect(server.requests).toContain('/blob bytes=7-8');
});

test('an endless redirect is an error', async () => {
  const loop: Handler = (_, response) => response.writeHead(302, { Location: PATH }).end();
  await expect(openModel(loop)).rejects.toThrow(
    /model\.safetensors: the request failed \(redirect count exceeded/,
  );
});

test('a redirect away from http is an error', async () => {
  const away: Handler = (_, response) => response.writeHead(302, { Location: 'file:///etc/passwd' }).end();
  await expect(openModel(away)).rejects.toThrow(/model\.safetensors: the request failed/);
});

const LIES: readonly { name: string; handler: Handler; message: RegExp }[] = [
  {
    name: 'ignores ranges',
    handler: (_, response) => response.writeHead(200).end(FILE),
    message: /ignored the range request and answered 200 with the whole file; expected 206/,
  },
  {
    name: 'ignores ranges after the probe',
    handler: afterProbe((_, response) => response.writeHead(200).end(FILE)),
    message: /ignored the range request/,
  },
  {
    name: 'sends 206 without Content-Range',
    handler: (_, response) => response.writeHead(206).end(FILE.subarray(0, 1)),
    message: /Content-Range is ""; expected "bytes begin-end\/total"/,
  },
  {
    name: 'hides the total length',
    handler: (_, response) => response.writeHead(206, { 'Content-Range': 'bytes 0-0/*' }).end('x'),
    message: /Content-Range is "bytes 0-0\/\*"/,
  },
  {
    name: 'claims a length over 2^53',
    handler: (_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 0-0/99999999999999999' }).end('x'),
    message: /Content-Range is "bytes 0-0\/99999999999999999"/,
  },
  {
    name: 'sends another range',
    handler: afterProbe((_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 0-9/1000' }).end(FILE.subarray(0, 10)),
    ),
    message: /the server sent "bytes 0-9\/1000"; expected "bytes 10-19\/1000"/,
  },
  {
    name: 'changes the total length',
    handler: afterProbe((_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 10-19/999' }).end(FILE.subarray(10, 20)),
    ),
    message: /the server sent "bytes 10-19\/999"; expected "bytes 10-19\/1000"/,
  },
  {
    name: 'ends the body early',
    handler: afterProbe((_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 10-19/1000' }).end(FILE.subarray(10, 15)),
    ),
    message: /the answer for bytes 10-19 ended after 5 bytes; expected 10/,
  },
  {
    name: 'sends too much',
    handler: afterProbe((_, response) =>
      response.writeHead(206, { 'Content-Range': 'bytes 10-19/1000' }).end(FILE.subarray(10, 40)),
    ),
    message: /the server sent over 10 bytes/,
  },
  {
    name: 'cuts the connection',
    handler: afterProbe((_, response) => {
      response.writeHead(206, { 'Content-Range': 'bytes 10-19/1000', 'Content-Length': '10' });
      response.write(FILE.subarray(10, 13), () => response.destroy());
    }),
    message: /model\.safetensors: the request failed \(/,
  },
  {
    name: 'goes silent',
    handler: afterProbe(() => {}),
    message: /the server sent nothing for 1000 ms/,
  },
  {
    name: 'has no such file',
    handler: serveFiles(new Map()),
    message: /the server answered 404; expected 200 or 206/,
  },
  {
    name: 'wants a token',
    handler: (_, response) => response.writeHead(401).end(),
    message: /the server answered 401; .* access token/,
  },
  {
    name: 'has an empty file',
    handler: serveFiles(new Map([[PATH, new Uint8Array(0)]])),
    message: /the file is empty/,
  },
];

test.each(LIES)('a server that $name is a WeightError', async ({ handler, message }) => {
  const { url } = await serve(handler);
  const read = async () => (await urlSource(url + PATH, { idleTimeoutMs: 1_000 })).read(10, 10);
  const error = await read().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(WeightError);
  expect((error as Error).message).toMatch(message);
});

test('a server that is not there is a WeightError', async () => {
  const server = await serve(honest);
  await server.close();
  await expect(urlSource(server.url + PATH)).rejects.toThrow(/the request failed \(.*ECONNREFUSED/);
});

test('a scheme other than http(s) is refused', async () => {
  await expect(urlSource('file:///etc/passwd')).rejects.toThrow(InputError);
  await expect(urlSource('not a url')).rejects.toThrow(/"not a url": is not a URL/);
  expect(() => urlFiles('ftp://host/model')).toThrow(InputError);
  expect(() => urlFiles('https://host/model?x=1')).toThrow(/with no query/);
});

test('the signal of a read or of the source aborts a request under way', async () => {
  const controller = new AbortController();
  const { url } = await serve(afterProbe(() => controller.abort()));
  const source = await urlSource(url + PATH);
  await expect(source.read(10, 10, controller.signal)).rejects.toBeInstanceOf(AbortError);
  await expect(source.read(10, 10, controller.signal)).rejects.toBeInstanceOf(AbortError);
  await expect(urlSource(url + PATH, { signal: controller.signal })).rejects.toBeInstanceOf(AbortError);
});

test('headers go with every request', async () => {
  const seen: (string | undefined)[] = [];
  const { url } = await serve((request, response) => {
    seen.push(request.headers.authorization);
    honest(request, response);
  });
  const source = await urlSource(url + PATH, { headers: { Authorization: 'Bearer t' } });
  await source.read(0, 4);
  expect(seen).toEqual(['Bearer t', 'Bearer t']);
});

test('a checkpoint opens over HTTP as from memory, and fetches headers alone', async () => {
  const big = new Float32Array(50_000).map((_, i) => i / 7);
  const model = encodeSafetensors([
    { name: 'big', dtype: 'F32', shape: [50_000], bytes: bytesOf(big) },
    { name: 'small', dtype: 'F32', shape: [2], bytes: bytesOf(Float32Array.of(1.5, -2)) },
  ]);
  let sent = 0;
  const files = new Map([
    ['/owner/name/model.safetensors', model],
    ['/owner/name/config.json', new TextEncoder().encode('{"model_type":"llava"}')],
  ]);
  const server = await serve((request, response) => {
    if (request.headers.range) {
      const [begin, end] = askedRange(request);
      sent += end - begin + 1;
    }
    serveFiles(files)(request, response);
  });
  const remote = urlFiles(`${server.url}/owner/name`);
  const checkpoint = await openCheckpoint(remote);
  expect(sent).toBeLessThan(400);
  const small = checkpoint.index.get('small');
  if (!small) throw new Error('no tensor "small"');
  expect([...(await readTensor(small, 'f32'))]).toEqual([1.5, -2]);
  expect(await readJson(remote, 'config.json')).toEqual({ model_type: 'llava' });
  expect(await readText(remote, 'config.json')).toBe('{"model_type":"llava"}');
  await expect(remote.readBytes('tokenizer.json')).rejects.toThrow(
    /tokenizer\.json: the server answered 404/,
  );
  await expect(remote.open('../secret')).rejects.toThrow(/file name "\.\.\/secret"; expected a plain name/);

  const local = await openCheckpoint(memoryFiles('memory', new Map([['model.safetensors', model]])));
  expect([...checkpoint.index.keys()]).toEqual([...local.index.keys()]);
  await checkpoint.close();
});

test('a URL with no weights says what was looked for', async () => {
  const server = await serve(serveFiles(new Map()));
  await expect(openCheckpoint(urlFiles(`${server.url}/m`))).rejects.toThrow(
    /\/m\/: holds neither model\.safetensors nor model\.safetensors\.index\.json; expected one of them/,
  );
});

test('ranges of a file are asked for before those ahead of them have come', async () => {
  const waiting: (() => void)[] = [];
  let most = 0;
  // Answers only when three ask, or when there is nothing else to ask for: one request at a time would wait forever.
  let asked = 0;
  const source = await openModel(
    afterProbe((request, response) => {
      waiting.push(() => honest(request, response));
      most = Math.max(most, waiting.length);
      if (++asked === 10 || waiting.length === 3) for (const answer of waiting.splice(0)) answer();
    }),
  );
  const entry = { name: 'w', dtype: 'U8', shape: [1000], source, offsetBytes: 0, byteLength: 1000 } as const;
  const seen: number[] = [];
  for await (const { bytes, offsetBytes } of readChunks([entry], { chunkBytes: 104 })) {
    expect(bytes).toEqual(FILE.subarray(offsetBytes, offsetBytes + bytes.length));
    seen.push(offsetBytes);
  }
  expect(seen).toEqual([0, 104, 208, 312, 416, 520, 624, 728, 832, 936]);
  expect(most).toBe(3);
});
