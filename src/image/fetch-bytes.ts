import { AbortError, InputError } from '../core/errors.ts';
import { isNode } from './import-hidden.ts';
import { isPublicAddress } from './public-address.ts';
import { checkScheme } from './url-scheme.ts';

export type FetchLimits = {
  /** Default 64 MiB. */
  readonly maxBytes?: number;
  /** For the whole transfer, redirects included. Default 30 s. */
  readonly timeoutMs?: number;
  /** Lets Node fetch from loopback and private networks. A browser guards those itself. */
  readonly allowPrivateAddresses?: boolean;
  readonly signal?: AbortSignal;
};

/** What is fetched: for messages, and for what the server is asked. */
export type MediumKind = 'picture' | 'video';

const DEFAULT_MAX_BYTES = 64 * 2 ** 20;
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Downloads an http(s) URL. Throws InputError for another scheme, a private address (Node), a status other
 * than 200, more than `maxBytes` or `timeoutMs`, and when the network fails; AbortError when `signal` fires.
 */
export async function fetchBytes(
  url: URL,
  limits: FetchLimits = {},
  kind: MediumKind = 'picture',
): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(limits.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const signal = limits.signal ? AbortSignal.any([limits.signal, timeout]) : timeout;
  try {
    const body = isNode
      ? (await import('./fetch-node.ts')).openInNode(
          url,
          signal,
          limits.allowPrivateAddresses ? () => true : isPublicAddress,
          kind === 'video' ? 'video/*, image/*' : 'image/*',
        )
      : openInBrowser(url, signal);
    return await readAll(await body, limits.maxBytes ?? DEFAULT_MAX_BYTES);
  } catch (cause) {
    if (limits.signal?.aborted) throw new AbortError(`${kind}: aborted by the caller`, { cause });
    const reason = timeout.aborted
      ? `no answer within ${limits.timeoutMs ?? DEFAULT_TIMEOUT_MS} ms`
      : cause instanceof Error
        ? cause.message
        : String(cause);
    throw new InputError(`${kind} "${url.href}": it cannot be fetched (${reason}).`, { cause });
  }
}

async function openInBrowser(url: URL, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  checkScheme(url);
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(`the server answered ${response.status}; expected 200`);
  return chunksOf(response.body);
}

/** Safari's streams are not async iterable. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    await reader.cancel();
  }
}

async function readAll(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`it is longer than ${maxBytes} bytes. Raise maxBytes to allow it`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
