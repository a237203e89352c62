import { InputError, UnsupportedError } from '../core/errors.ts';
import { importHidden } from '../image/import-hidden.ts';

/** What `tessera batch` and its workers agree on. */
export interface QueueOptions {
  /** `redis://` or `rediss://` address of a Redis or Valkey server. */
  readonly url: string;
  /** Name of the queue; several may live on one server. */
  readonly queueName: string;
}

export type BullMq = typeof import('bullmq');

/** Throws UnsupportedError when bullmq or ioredis is not installed, InputError when the server does not answer. */
export async function connectQueue({ url }: QueueOptions): Promise<BullMq> {
  const shown = withoutPassword(url);
  const { Redis } = await load<typeof import('ioredis')>('ioredis');
  const bullmq = await load<BullMq>('bullmq');
  // A connection that would be tried again for ever is right for a worker, and wrong for a mistyped address.
  const probe = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5000 });
  const problems: string[] = [];
  probe.on('error', (error: Error) => problems.push(error.message));
  try {
    await probe.connect();
    await probe.ping();
  } catch (cause) {
    const reason = problems[0] || (cause instanceof Error ? cause.message : String(cause));
    throw new InputError(
      `--redis "${shown}": does not answer (${reason}); expected a Redis or Valkey server, 5.0 or newer. Check the address.`,
      { cause },
    );
  } finally {
    probe.disconnect();
  }
  return bullmq;
}

/** Commands wait while the server is away, and go on when it is back. */
export const connectionTo = (url: string) => ({ url, maxRetriesPerRequest: null });

/** Throws InputError for anything but a redis address. */
export function checkRedisUrl(url: string): string {
  const isRedis = URL.canParse(url) && /^rediss?:$/.test(new URL(url).protocol);
  if (!isRedis)
    throw new InputError(
      `--redis "${withoutPassword(url)}": expected redis://HOST:PORT, or rediss:// for TLS.`,
    );
  return url;
}

function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url;
  const shown = new URL(url);
  if (shown.password) shown.password = '***';
  return shown.href;
}

async function load<T>(name: string): Promise<T> {
  try {
    return (await importHidden(name)) as T;
  } catch (cause) {
    throw new UnsupportedError(
      `batch: the package "${name}", which talks to Redis, does not load (${cause instanceof Error ? cause.message : String(cause)}). Run: npm install bullmq ioredis`,
      { cause },
    );
  }
}
