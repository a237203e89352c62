import { checkRedisUrl, type QueueOptions } from '../batch/queue.ts';
import type { OptionValues } from './command.ts';
import { UsageError } from './usage-error.ts';

/** The options of every command that meets others at a Redis server. */
export const queueOptions = {
  redis: {
    kind: 'text',
    value: 'URL',
    help: 'redis://HOST:PORT of a Redis or Valkey server; default REDIS_URL',
  },
  queue: { kind: 'text', value: 'NAME', help: 'name of the queue on that server; default tessera' },
} as const;

/** Undefined where no server is named. Throws UsageError, InputError. */
export function readQueue({ redis, queue }: OptionValues<typeof queueOptions>): QueueOptions | undefined {
  const url = redis ?? process.env.REDIS_URL;
  const queueName = queue ?? 'tessera';
  if (!/^[\w.-]+$/.test(queueName))
    throw new UsageError(`--queue is "${queueName}"; expected letters, digits, dots, dashes or underscores.`);
  return url ? { url: checkRedisUrl(url), queueName } : undefined;
}
