import { AbortError, InputError, WeightError } from '../core/errors.ts';
import { type ByteSource, checkNotAborted, checkRange } from './byte-source.ts';
import { watchIdle } from './watch-idle.ts';

/** How files are fetched. */
export interface UrlOptions {
  /** For messages; the last part of the path unless told. */
  readonly name?: string;
  /** Sent with every request, such as an `Authorization` for a private checkpoint. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A request that brings no byte for so long fails; 60,000 unless told. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_IDLE_TIMEOUT_MS = 60_000;

/** While one answer is on its way, the next is asked for, so that a distant server costs its distance once. */
const READS_AT_ONCE = 3;

/**
 * A source over HTTP range requests. Each answer must be a 206 whose Content-Range is what was asked, of a file
 * of unchanged length, with a body of exactly that many bytes. Redirects are followed by fetch, to http(s) alone.
 * Throws InputError for another scheme, WeightError for a server that cannot serve ranges or lies about them.
 */
export async function urlSource(url: string | URL, options: UrlOptions = {}): Promise<ByteSource> {
  const target = checkHttpUrl(url);
  const name = options.name ?? target.pathname.split('/').at(-1) ?? target.host;
  const byteLength = await probeByteLength(target, name, options);
  const source: ByteSource = {
    name,
    byteLength,
    readsAtOnce: READS_AT_ONCE,
    async read(offset, length, signal) {
      checkNotAborted(signal, name);
      checkRange(source, offset, length);
      if (length === 0) return new Uint8Array(0);
      return readRange(
        target,
        name,
        { offset, length, byteLength },
        { ...options, ...(signal && { signal }) },
      );
    },
    async close() {},
  };
  return source;
}

/** Whether the server has the file. Throws WeightError when it answers neither yes nor no. */
export async function urlExists(url: string | URL, options: UrlOptions = {}): Promise<boolean> {
  const target = checkHttpUrl(url);
  const name = options.name ?? target.pathname.split('/').at(-1) ?? target.host;
  return request(target, name, 'bytes=0-0', options, async (response) => {
    await response.body?.cancel();
    if (response.status === 404 || response.status === 410) return false;
    // 416: the file is there, and empty.
    if (response.ok || response.status === 416) return true;
    throw statusError(name, response);
  });
}

/** A whole small file (JSON, a tokenizer), by an ordinary request. Throws WeightError over `maxBytes`. */
export async function fetchWhole(
  url: string | URL,
  maxBytes: number,
  options: UrlOptions = {},
): Promise<Uint8Array> {
  const target = checkHttpUrl(url);
  const name = options.name ?? target.pathname.split('/').at(-1) ?? target.host;
  return request(target, name, undefined, options, async (response, onProgress) => {
    if (response.status !== 200) throw await refuse(response, statusError(name, response));
    return readBody(response, name, maxBytes, onProgress);
  });
}

function checkHttpUrl(url: string | URL): URL {
  if (!URL.canParse(url)) throw new InputError(`url "${url}": is not a URL; expected http://… or https://….`);
  const target = new URL(url);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    throw new InputError(`url "${target.href}": has scheme "${target.protocol}"; expected http: or https:.`);
  }
  return target;
}

interface ByteRange {
  readonly offset: number;
  readonly length: number;
  readonly byteLength: number;
}

async function probeByteLength(url: URL, name: string, options: UrlOptions): Promise<number> {
  return request(url, name, 'bytes=0-0', options, async (response) => {
    if (response.status === 416) {
      throw await refuse(
        response,
        new WeightError(`${name}: the file is empty; expected a checkpoint file.`),
      );
    }
    const range = await contentRangeOf(response, name);
    await response.body?.cancel();
    if (range.begin !== 0 || range.end !== 0) {
      throw new WeightError(
        `${name}: asked for byte 0, the server sent "${range.text}"; expected "bytes 0-0/…". Download the file and load it from disk.`,
      );
    }
    return range.total;
  });
}

async function readRange(url: URL, name: string, asked: ByteRange, options: UrlOptions): Promise<Uint8Array> {
  const last = asked.offset + asked.length - 1;
  return request(url, name, `bytes=${asked.offset}-${last}`, options, async (response, onProgress) => {
    const range = await contentRangeOf(response, name);
    if (range.begin !== asked.offset || range.end !== last || range.total !== asked.byteLength) {
      const expected = `bytes ${asked.offset}-${last}/${asked.byteLength}`;
      throw await refuse(
        response,
        new WeightError(
          `${name}: the server sent "${range.text}"; expected "${expected}". The file changed on the server, or the server is wrong.`,
        ),
      );
    }
    const bytes = await readBody(response, name, asked.length, onProgress);
    if (bytes.length !== asked.length) {
      throw new WeightError(
        `${name}: the answer for bytes ${asked.offset}-${last} ended after ${bytes.length} bytes; expected ${asked.length}. The connection was cut: try again.`,
      );
    }
    return bytes;
  });
}

async function contentRangeOf(response: Response, name: string) {
  if (response.status === 200) {
    throw await refuse(
      response,
      new WeightError(
        `${name}: the server ignored the range request and answered 200 with the whole file; expected 206. Use a server with range support, or download the file first.`,
      ),
    );
  }
  if (response.status !== 206) throw await refuse(response, statusError(name, response));
  const text = response.headers.get('content-range') ?? '';
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text);
  if (match === null) {
    throw await refuse(
      response,
      new WeightError(
        `${name}: the server's Content-Range is "${text}"; expected "bytes begin-end/total". A server of another origin must also list it in Access-Control-Expose-Headers.`,
      ),
    );
  }
  return { text, begin: Number(match[1]), end: Number(match[2]), total: Number(match[3]) };
}

function statusError(name: string, response: Response): WeightError {
  const remedy =
    response.status === 401 || response.status === 403
      ? 'The checkpoint may need an access token.'
      : 'Check the address.';
  return new WeightError(`${name}: the server answered ${response.status}; expected 200 or 206. ${remedy}`);
}

/** Drops an unread body, so that its connection is free, and hands back the error to throw. */
async function refuse(response: Response, error: Error): Promise<Error> {
  await response.body?.cancel();
  return error;
}

/** Collects a body of at most `maxBytes`; more is an error as soon as it comes, whatever Content-Length says. */
export async function readBody(
  response: Response,
  name: string,
  maxBytes: number,
  onProgress: () => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    onProgress();
    byteLength += part.value.length;
    if (byteLength > maxBytes) {
      await reader?.cancel();
      throw new WeightError(`${name}: the server sent over ${maxBytes} bytes; expected at most that many.`);
    }
    parts.push(part.value);
  }
  return concatBytes(parts, byteLength);
}

function concatBytes(parts: readonly Uint8Array[], byteLength: number): Uint8Array {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const bytes = new Uint8Array(byteLength);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** One GET that is given up when the caller aborts or when nothing arrives for the idle time. */
async function request<T>(
  url: URL,
  name: string,
  range: string | undefined,
  options: UrlOptions,
  consume: (response: Response, onProgress: () => void) => Promise<T>,
): Promise<T> {
  const idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS;
  const idle = watchIdle(idleTimeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, idle.signal]) : idle.signal;
  // identity: a range of a compressed body would not be a range of the file.
  const headers = { ...options.headers, 'Accept-Encoding': 'identity', ...(range && { Range: range }) };
  try {
    return await consume(await fetch(url, { headers, signal }), idle.alive);
  } catch (cause) {
    throw requestError(cause, name, options, idle.isIdle ? idleTimeoutMs : undefined);
  } finally {
    idle.stop();
  }
}

function requestError(cause: unknown, name: string, options: UrlOptions, idleMs: number | undefined): Error {
  if (cause instanceof WeightError) return cause;
  if (options.signal?.aborted) return new AbortError(`${name}: reading aborted by the caller`, { cause });
  if (idleMs !== undefined) {
    return new WeightError(`${name}: the server sent nothing for ${idleMs} ms; expected data. Try again.`, {
      cause,
    });
  }
  const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
  return new WeightError(
    `${name}: the request failed (${reason}); expected an answer. Check the address and the network.`,
    { cause },
  );
}
