import { work } from '../batch/work.ts';
import { defineCommand } from './command.ts';
import { modelOptions } from './model-options.ts';
import { taskOpener } from './open-task.ts';
import { queueOptions, readQueue } from './queue-options.ts';
import { UsageError } from './usage-error.ts';

const DEFAULT_LOCK_SECONDS = 30;

export const workerCommand = defineCommand({
  name: 'worker',
  details: [
    'Takes pictures that "tessera batch --redis URL" put into a queue, on this machine or another, and gives back their results. Start as many as there are GPUs; each loads the model that the batch asks for.',
    'Paths of pictures and models are those of the machine that runs the batch: share the folders under the same paths, or list pictures by address. Whoever may write to the server decides what its workers read.',
    'Ctrl-C, or SIGTERM, ends it when the picture at hand is done; a second Ctrl-C at once. What a killed worker had at hand is done by another after --lock-seconds.',
  ].join('\n\n'),
  operands: { usage: '', min: 0, max: 0 },
  options: {
    ...queueOptions,
    'lock-seconds': {
      kind: 'number',
      value: 'X',
      min: 0.5,
      help: `a worker not heard of for so long has lost its picture; default ${DEFAULT_LOCK_SECONDS}`,
    },
    adapter: modelOptions.adapter,
  },
  examples: ['tessera worker --redis redis://10.0.0.5:6379', 'REDIS_URL=redis://localhost tessera worker'],
  async run(values, _operands, terminal) {
    const { adapter } = values;
    const queue = readQueue(values);
    if (!queue) throw new UsageError('worker needs --redis URL, or REDIS_URL. See: tessera worker --help');
    const { stderr } = terminal;
    const stop = new AbortController();
    const signal = AbortSignal.any([terminal.signal, stop.signal]);
    process.once('SIGTERM', () => stop.abort());
    let done = 0;
    let latestTrouble = '';
    stderr.write(`worker: waits for pictures in the queue "${queue.queueName}"\n`);
    await work({
      ...queue,
      open: taskOpener(adapter, { ...terminal, signal }),
      lockMs: (values['lock-seconds'] ?? DEFAULT_LOCK_SECONDS) * 1000,
      signal,
      onPicture: (id, problem) => {
        if (problem === undefined) done++;
        else stderr.write(`worker: ${id}: ${problem}\n`);
      },
      onTrouble: (message) => {
        if (message !== latestTrouble) stderr.write(`worker: ${message}\n`);
        latestTrouble = message;
      },
    });
    stderr.write(`worker: ended after ${done} pictures\n`);
    return 0;
  },
});
