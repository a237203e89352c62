/**
 * A worker whose model does nothing but wait and say which picture it got: `stub-worker.mjs URL QUEUE LOCK_MS LOG`. A line goes
 * to the file LOG before each picture, so that tests see who had what at hand. A picture
 * called "deadly-*" ends the process, "gated-*" waits for the file LOG.open, "once-*" fails the first time, "bad-*" always.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { work } from '../../src/batch/work.ts';
import { InputError } from '../../src/core/errors.ts';

const [url = '', queueName = '', lockMs = '', log = ''] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
/** By any worker. */
const attemptsAt = (id: string): number => readFileSync(log, 'utf8').split(` ${id}\n`).length - 1;
await work({
  url,
  queueName,
  lockMs: Number(lockMs),
  signal: stop.signal,
  open: async () => ({
    async run({ id }) {
      appendFileSync(log, `${process.pid} ${id}\n`);
      if (id.startsWith('deadly')) process.kill(process.pid, 'SIGKILL');
      await sleep(60);
      while (id.startsWith('gated') && !existsSync(`${log}.open`)) await sleep(20);
      if (id.startsWith('bad')) throw new InputError(`picture "${id}": is bad; expected a good one.`);
      if (id.startsWith('once') && attemptsAt(id) === 1)
        throw new InputError(`picture "${id}": is not there yet; expected it.`);
      return { text: `it is ${id}` };
    },
    dispose: () => {},
  }),
});
