import { AbortError, InputError, WeightError } from '../../core/errors.ts';
import { PART } from './model-folders.ts';
import { openForWriting, rename, type SyncAccess } from './private-files.ts';

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with what came since the last call, and once per file with its size where the server tells it. */
  onBytes(news: { readonly received?: number; readonly expected?: number }): void;
}

/**
 * Downloads a file into `folder`, going on where an earlier attempt stopped. It gets its name once it is whole. Throws
 * WeightError where the server does not give it, InputError where the browser's storage is full, AbortError.
 */
export async function downloadFile(
  url: URL,
  folder: FileSystemDirectoryHandle,
  file: string,
  { byteLength, signal, onBytes }: DownloadOptions & { readonly byteLength?: number | undefined },
): Promise<File> {
  const handle = await folder.getFileHandle(file + PART, { create: true });
  const part = await openForWriting(handle);
  try {
    const start = await openBody(url, file, resumable(part, byteLength), signal);
    if (start.offset === 0) part.truncate(0);
    const expected = byteLength ?? start.byteLength;
    onBytes({ received: start.offset, ...(expected !== undefined && { expected }) });
    const end = await append(start.body, part, start.offset, (received) => onBytes({ received }));
    part.flush();
    if (expected !== undefined && end !== expected) {
      if (end > expected) part.truncate(0);
      throw new WeightError(
        `${file}: the server sent ${end} bytes; expected ${expected}. The connection was cut: try again.`,
      );
    }
  } catch (cause) {
    throw downloadError(cause, file, signal);
  } finally {
    part.close();
  }
  await rename(handle, file);
  return (await folder.getFileHandle(file)).getFile();
}

/** Bytes of an earlier attempt. Without a known size nothing says that it was the same file. */
function resumable(part: SyncAccess, byteLength: number | undefined): number {
  const size = part.getSize();
  return byteLength !== undefined && size < byteLength ? size : 0;
}

interface Body {
  readonly offset: number;
  readonly byteLength: number | undefined;
  readonly body: ReadableStream<Uint8Array>;
}

async function openBody(
  url: URL,
  file: string,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<Body> {
  const response = await fetch(url, {
    ...(offset > 0 && { headers: { Range: `bytes=${offset}-` } }),
    ...(signal && { signal }),
  });
  const { body, status, headers } = response;
  if (body === null || !response.ok) {
    await body?.cancel();
    const remedy = status === 401 || status === 403 ? 'It may need an access token.' : 'Check the address.';
    throw new WeightError(`${file}: the server answered ${status}; expected 200 or 206. ${remedy}`);
  }
  // A server may ignore the range and send the whole file.
  const goesOn = status === 206 && headers.get('content-range')?.startsWith(`bytes ${offset}-`) === true;
  if (status === 206 && !goesOn) {
    await body.cancel();
    throw new WeightError(
      `${file}: asked for bytes from ${offset} on, the server sent "${headers.get('content-range')}"; expected these. Try again.`,
    );
  }
  const isPlain = headers.get('content-encoding') === null;
  const length = isPlain ? Number(headers.get('content-length') ?? Number.NaN) : Number.NaN;
  const begin = goesOn ? offset : 0;
  return { offset: begin, byteLength: Number.isSafeInteger(length) ? begin + length : undefined, body };
}

/** Where the file ends then. */
async function append(
  body: ReadableStream<Uint8Array>,
  part: SyncAccess,
  offset: number,
  onReceived: (bytes: number) => void,
): Promise<number> {
  let at = offset;
  // A reader, since not every browser iterates a stream.
  const reader = body.getReader();
  for (let next = await reader.read(); next.value !== undefined; next = await reader.read()) {
    at += part.write(next.value, { at });
    onReceived(next.value.length);
  }
  return at;
}

function downloadError(cause: unknown, file: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return new AbortError(`${file}: download stopped`, { cause });
  if (cause instanceof DOMException && cause.name === 'QuotaExceededError') {
    return new InputError(
      `${file}: the browser's storage is full; expected room for it. Delete a model under Storage, or free disk space.`,
      { cause },
    );
  }
  if (cause instanceof TypeError) {
    return new WeightError(
      `${file}: the download failed (${cause.message}); expected an answer. Check the address and the network; a server of another origin must allow this page (CORS).`,
      { cause },
    );
  }
  return cause;
}
