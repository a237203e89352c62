/** What the server refuses, when it stops, and what it tells: without a model behind it. */
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { AbortError } from '../../src/core/errors.ts';
import type { AnswerBatch, AnswerPiece, BatchRequest } from '../../src/generate/batch/batch.ts';
import type { GenerationResult } from '../../src/generate/generation.ts';
import { createApiKeys } from '../../src/server/api-keys.ts';
import { createGrammars } from '../../src/server/grammar.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import { openApiDocument } from '../../src/server/openapi.ts';
import { formatRequest } from '../../src/server/request-log.ts';
import type { RequestEnd } from '../../src/server/request-record.ts';
import { answerFormatOf } from '../../src/server/response-format.ts';
import { type RunningServer, type ServeOptions, serve } from '../../src/server/serve.ts';
import { readGoldenTokenizer } from '../text/read-tokenizer.ts';

interface Job {
  readonly request: BatchRequest;
  readonly emit: (piece: AnswerPiece) => void;
  finish(text: string): void;
}

/** A batch that answers when it is told to. */
function stubBatch(waiting: number) {
  const jobs: Job[] = [];
  const batch: AnswerBatch = {
    load: { running: 0, slots: 4, waiting, pages: 9, freePages: 9 },
    async answer(request, emit) {
      await request.messages();
      return new Promise<GenerationResult>((resolve, reject) => {
        request.signal?.addEventListener('abort', () => reject(new AbortError()));
        jobs.push({ request, emit, finish: (text) => resolve(resultOf(text)) });
      });
    },
    async dispose() {},
  };
  return { batch, jobs };
}

const resultOf = (text: string): GenerationResult => ({
  text,
  tokenIds: [5, 6],
  promptTokenIds: [1, 2, 3],
  finishReason: 'stop',
  stats: {
    promptTokens: 3,
    reusedTokens: 0,
    generatedTokens: 2,
    firstTokenMs: 5,
    totalMs: 9,
    tokensPerSecond: 1,
    dispatchesPerToken: 0,
    peakGpuBytes: 0,
    seed: 1,
  },
});

const running: RunningServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.close(0);
});

async function start(options: Partial<ServeOptions> & { readonly waiting?: number } = {}) {
  const { batch, jobs } = stubBatch(options.waiting ?? 0);
  const ends: RequestEnd[] = [];
  const metrics = createMetrics({ load: () => batch.load, gpuBytes: () => 42 });
  const pictures = { urls: 'public' as const, maxPixels: 1000, maxBytes: 5000, timeoutMs: 2000 };
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    chat: {
      name: 'stub',
      batch,
      tokenizer: readGoldenTokenizer('llava15'),
      grammars: createGrammars(),
      limits: { pictures, maxPictures: 2, maxTokens: 100 },
      maxWaiting: 3,
      maxBodyBytes: 10_000,
    },
    embeddings: undefined,
    keys: createApiKeys([]),
    metrics,
    version: '0.0.0',
    timeoutMs: 20_000,
    onEnd: (end) => {
      ends.push(end);
      metrics.observe(end);
    },
    ...options,
  });
  running.push(server);
  return { server, jobs, ends };
}

const QUESTION = { model: 'stub', messages: [{ role: 'user', content: 'hi' }] };

const post = (server: RunningServer, body: unknown, init: RequestInit = {}): Promise<Response> =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...init,
  });

async function errorOf(response: Response) {
  const { error } = (await response.json()) as { error: { message: string; param: string | null } };
  return { status: response.status, ...error };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}

const picture = (url: string) => ({
  ...QUESTION,
  messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
});

test.each([
  ['{', { status: 400, message: expect.stringContaining('the body is no JSON') }],
  [
    { ...QUESTION, model: 'gpt' },
    { status: 404, code: 'model_not_found', param: 'model' },
  ],
  [{ model: 'stub' }, { status: 400, param: 'messages' }],
  [
    { ...QUESTION, messages: [{ role: 'judge', content: 'x' }] },
    { status: 400, param: 'messages.0.role' },
  ],
  [
    { ...QUESTION, temperature: 3 },
    { status: 400, param: 'temperature' },
  ],
  [
    { ...QUESTION, max_tokens: 0 },
    { status: 400, param: 'max_tokens' },
  ],
  [
    { ...QUESTION, n: 2 },
    { status: 400, param: 'n' },
  ],
  [
    { ...QUESTION, top_logprobs: 2 },
    { status: 400, param: 'top_logprobs' },
  ],
  [
    { ...QUESTION, tools: [{}] },
    { status: 400, param: 'tools', code: 'unsupported_parameter' },
  ],
  [
    { ...QUESTION, response_format: { type: 'xml' } },
    { status: 400, param: 'response_format.type' },
  ],
  [
    {
      ...QUESTION,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { pattern: 'a' } } },
    },
    { status: 400, param: 'response_format', code: 'unsupported_parameter' },
  ],
  [{ ...QUESTION, user: 'x'.repeat(10_000) }, { status: 413 }],
  [
    {
      ...QUESTION,
      messages: [{ role: 'user', content: [0, 1, 2].map(() => picture('').messages[0]?.content[0]) }],
    },
    { status: 400, message: 'messages: hold 3 pictures; expected at most 2.' },
  ],
])('refuses %j', async (body, expected) => {
  const { server, jobs, ends } = await start();
  expect(await errorOf(await post(server, body))).toMatchObject(expected);
  expect(jobs).toEqual([]);
  expect(ends).toMatchObject([{ status: expected.status, path: '/v1/chat/completions' }]);
});

const deep = (levels: number): Readonly<Record<string, unknown>> =>
  levels === 0 ? { type: 'string' } : { type: 'array', items: deep(levels - 1) };

test.each([
  [{ type: 'string', pattern: 'a+' }, 'schema.pattern: is not followed here'],
  [{ type: 'object', properties: { a: { $ref: '#' } } }, 'schema.properties.a.$ref: is not followed here'],
  [{ type: 'date' }, 'schema.type: is "date"; expected of object'],
  [{ enum: [] }, 'schema.enum: is []'],
  [{ anyOf: [true] }, 'schema.anyOf.0: is no object'],
  [{ const: 'x'.repeat(30_000) }, 'schema: is over 20000 characters'],
  [deep(14), 'lies over 12 levels deep'],
])('refuses the schema %j', (schema, message) => {
  const format = (json: Readonly<Record<string, unknown>>) =>
    answerFormatOf({ type: 'json_schema', json_schema: { name: 'x', schema: json } });
  expect(() => format(schema)).toThrow(message);
  expect(format({ type: 'string', title: 'notes are left out' })).toEqual({
    kind: 'schema',
    schema: { type: 'string' },
  });
});

test('refuses bodies that are sent without their length, and other types', async () => {
  const { server } = await start();
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode(' '.repeat(1000))),
  });
  const sent = post(server, '', { body: endless, duplex: 'half' } as RequestInit);
  expect((await sent).status).toBe(413);
  const plain = await post(server, QUESTION, { headers: { 'content-type': 'text/plain' } });
  expect(plain.status).toBe(415);
});

/** 40 x 40 pixels of one colour. */
const LARGE =
  'iVBORw0KGgoAAAANSUhEUgAAACgAAAAoCAIAAAADnC86AAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAS0lEQVRYhe3YQQ0AMAxC0VnAAhbw720edtnlJb03IS0/cNJ9mWNxSR3HNe9UBhKWOZAoLA4WC4uBxcFiYTGwKC1OMK8qIsqXPWtwAf1+fZ9t7w0bAAAAAElFTkSuQmCC';

test.each([
  ['/etc/passwd', 'is no address of a picture'],
  ['file:///etc/passwd', 'is no address of a picture'],
  ['ftp://example.com/a.png', 'is no address of a picture'],
  ['http://127.0.0.1:1/a.png', 'cannot be fetched'],
  ['http://localhost:1/a.png', 'cannot be fetched'],
  ['http://[::ffff:10.0.0.1]/a.png', 'cannot be fetched'],
  ['http://169.254.169.254/latest/meta-data', 'cannot be fetched'],
  ['data:image/png,abc', 'is no base64 data URL'],
  [`data:image/png;base64,${Buffer.from('<svg/>').toString('base64')}`, 'no picture format read here'],
  [`data:image/png;base64,${LARGE}`, '40x40 is 1600 pixels; expected at most 1000'],
])('does not open the picture %s', async (url, message) => {
  const { server, jobs } = await start();
  const error = await errorOf(await post(server, picture(url)));
  expect(error).toMatchObject({ status: 400, param: 'messages.0.content.0.image_url.url' });
  expect(error.message).toContain(message);
  expect(error.message).not.toMatch(/169\.254|10\.0\.0|private/);
  expect(jobs).toEqual([]);
});

test('keys are asked for, and compared whole', async () => {
  const key = 'a-key-that-is-long-enough';
  const { server, jobs, ends } = await start({ keys: createApiKeys([key, `${key}-2`]) });
  const ask = (authorization: string) =>
    post(server, QUESTION, { headers: { 'content-type': 'application/json', authorization } });
  for (const wrong of ['', 'Bearer ', `Bearer ${key}x`, `Bearer ${key.slice(1)}`, `Basic ${key}`]) {
    const response = await ask(wrong);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await errorOf(response)).toMatchObject({ status: 401, code: 'invalid_api_key' });
  }
  const answer = ask(`Bearer ${key}`);
  await until(() => jobs.length === 1);
  jobs[0]?.finish('yes');
  expect((await answer).status).toBe(200);
  expect(ends.at(-1)?.client).toMatch(/^key-[0-9a-f]{8}$/);
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(() => createApiKeys(['short'])).toThrow('one has 5 characters; expected at least 16');
});

test('without keys only names of this machine are served', async () => {
  const { server } = await start();
  const status = await new Promise((resolve) => {
    const { port } = new URL(server.url);
    const headers = { host: 'evil.example' };
    httpRequest({ port, path: '/v1/models', headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
  });
  expect(status).toBe(403);
  expect((await fetch(`${server.url.replace('127.0.0.1', 'localhost')}/v1/models`)).status).toBe(200);
});

test('a full queue says when to come again', async () => {
  const { server } = await start({ waiting: 3 });
  const response = await post(server, QUESTION);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await errorOf(response)).toMatchObject({
    status: 429,
    type: 'rate_limit_error',
    code: 'queue_full',
  });
});

test.each([true, false])('a client that leaves stops its answer (stream: %j)', async (stream) => {
  const { server, jobs, ends } = await start();
  const leave = new AbortController();
  const answer = post(server, { ...QUESTION, stream }, { signal: leave.signal });
  answer.catch(() => undefined);
  await until(() => jobs.length === 1);
  if (stream) {
    jobs[0]?.emit({ text: 'so', tokens: [] });
    await (await answer).body?.getReader().read();
  }
  expect(jobs[0]?.request.signal?.aborted).toBe(false);
  leave.abort();
  await until(() => jobs[0]?.request.signal?.aborted === true);
  await until(() => ends.length === 1);
  expect(ends).toMatchObject([{ status: 499 }]);
});

test('an answer that takes too long ends', async () => {
  const { server, jobs } = await start({ timeoutMs: 50 });
  const response = await post(server, QUESTION);
  expect(response.headers.get('x-should-retry')).toBe('false');
  expect(await errorOf(response)).toMatchObject({ status: 504, type: 'timeout_error', code: 'timeout' });
  const streamed = post(server, { ...QUESTION, stream: true });
  await until(() => jobs.length === 2);
  jobs[1]?.emit({ text: 'so', tokens: [] });
  const text = await (await streamed).text();
  expect(text).toContain('"content":"so"');
  expect(text).toContain('"code":"timeout"');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('closing waits for what runs, takes nothing new, and ends what takes too long', async () => {
  const { server, jobs } = await start();
  const finished = post(server, QUESTION);
  const cut = post(server, QUESTION);
  await until(() => jobs.length === 2);
  const closed = server.close(300);
  await expect(post(server, QUESTION)).rejects.toThrow('fetch failed');
  jobs[0]?.finish('whole');
  const body = (await (await finished).json()) as { choices: unknown[] };
  expect(body.choices).toMatchObject([{ message: { content: 'whole' } }]);
  expect(await errorOf(await cut)).toMatchObject({ status: 503 });
  await closed;
});

test('the engine gets what was asked for', async () => {
  const { server, jobs } = await start();
  const answer = post(server, {
    model: 'stub',
    messages: [
      { role: 'developer', content: 'short' },
      { role: 'user', content: [{ type: 'text', text: 'hi' }] },
    ],
    max_tokens: 1000,
    temperature: 0.5,
    top_p: 0.9,
    seed: -4,
    stop: 'x',
    logprobs: true,
    top_logprobs: 2,
    tools: [],
    frequency_penalty: 0,
    unknown: 1,
  });
  await until(() => jobs.length === 1);
  const { messages, client, signal, ...rest } = jobs[0]?.request ?? expect.unreachable();
  expect(await messages()).toEqual([
    { role: 'system', content: 'short' },
    { role: 'user', content: [{ type: 'text', text: 'hi' }] },
  ]);
  expect({ client, rest }).toEqual({
    client: '127.0.0.1',
    rest: { maxNewTokens: 100, temperature: 0.5, topP: 0.9, seed: 4, stop: ['x'], topLogprobs: 2 },
  });
  const top = [
    { id: 5, logprob: -0.25 },
    { id: 6, logprob: Number.NEGATIVE_INFINITY },
  ];
  jobs[0]?.emit({ text: 'a', tokens: [{ id: 5, logprob: -0.25, top }] });
  jobs[0]?.finish('a');
  const body = (await (await answer).json()) as { choices: { logprobs: unknown }[] };
  expect(body.choices[0]?.logprobs).toMatchObject({
    content: [{ logprob: -0.25, top_logprobs: [{ logprob: -0.25 }, { logprob: -9999 }] }],
  });
});

test('tells what it does: health, metrics, OpenAPI, a line per request', async () => {
  const { server, jobs, ends } = await start();
  const answer = post(server, QUESTION);
  await until(() => jobs.length === 1);
  jobs[0]?.finish('yes');
  await answer;
  expect(await (await fetch(`${server.url}/health`)).json()).toEqual({
    status: 'ok',
    running: 0,
    slots: 4,
    waiting: 0,
    pages: 9,
    freePages: 9,
  });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('tessera_requests_total{path="/v1/chat/completions",status="200"} 1');
  expect(metrics).toContain('tessera_tokens_total{kind="generated"} 2');
  expect(metrics).toContain('tessera_gpu_bytes 42');
  const document = (await (await fetch(`${server.url}/openapi.json`)).json()) as ReturnType<
    typeof openApiDocument
  >;
  expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument('0.0.0'))));
  const refs = JSON.stringify(document).match(/#\/components\/schemas\/\w+/g) ?? [];
  const schemas = Object.keys(document.components.schemas);
  expect(refs.every((ref) => schemas.includes(ref.split('/').at(-1) ?? ''))).toBe(true);
  expect(document.components.schemas.ChatRequest).toMatchObject({
    required: ['model', 'messages'],
    properties: { stream: { type: ['boolean', 'null'] } },
  });
  const end = ends[0] ?? expect.unreachable();
  expect(formatRequest({ ...end, seconds: 1.234 }, 'text', new Date(0))).toBe(
    '1970-01-01T00:00:00.000Z POST /v1/chat/completions 200 1.23 s 3+2 tokens 127.0.0.1',
  );
  expect(JSON.parse(formatRequest(end, 'json'))).toMatchObject({ status: 200, generatedTokens: 2 });
});

test('a port that is taken is told', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  await expect(start({ port })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
  other.close();
});
