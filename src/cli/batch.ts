import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Journal, openJournal } from '../batch/journal.ts';
import { listPictures } from '../batch/list-pictures.ts';
import { runHere } from '../batch/run-here.ts';
import { runOnRedis } from '../batch/run-on-redis.ts';
import type { BatchPicture, BatchRecord, BatchTask, Outcome } from '../batch/task.ts';
import { formatOf, loadParquet, writeResults } from '../batch/write-results.ts';
import { withFileLock } from '../weights/hub/file-lock.ts';
import { readLabels } from './classify.ts';
import { defineCommand, type OptionValues, type Terminal } from './command.ts';
import { requireModel } from './contrastive-options.ts';
import { modelOptions } from './model-options.ts';
import { taskOpener } from './open-task.ts';
import { createProgressLine, formatProgress } from './progress.ts';
import { queueOptions, readQueue } from './queue-options.ts';
import { formatCount } from './units.ts';
import { UsageError } from './usage-error.ts';
import { writeWhole } from './write-whole.ts';

const DEFAULT_PROMPT = 'Describe the image.';
const DEFAULT_ATTEMPTS = 3;
const BACKOFF_MS = 1000;

const options = {
  output: {
    kind: 'text',
    value: 'FILE',
    help: 'results: .jsonl, or .parquet (npm install hyparquet-writer)',
  },
  task: {
    kind: 'choice',
    choices: ['caption', 'embed', 'classify'],
    help: 'what is done with each picture; default caption',
  },
  prompt: { kind: 'text', value: 'TEXT', help: `of captions; default "${DEFAULT_PROMPT}"` },
  'max-new-tokens': { kind: 'integer', value: 'N', min: 1, help: 'a caption ends after so many tokens' },
  labels: { kind: 'text', value: 'A,B,...', help: 'of classify: labels, with commas between them' },
  label: { kind: 'texts', value: 'TEXT', help: 'one label, which may have commas; may be given again' },
  template: { kind: 'text', value: 'TEXT', help: 'sentence that each label is put into at {}' },
  ...modelOptions,
  ...queueOptions,
  here: { kind: 'flag', help: 'in this process, even where REDIS_URL is set' },
  attempts: {
    kind: 'integer',
    value: 'N',
    min: 1,
    help: `times a picture is tried, with growing pauses between; default ${DEFAULT_ATTEMPTS}`,
  },
} as const;

type BatchValues = OptionValues<typeof options>;

export const batchCommand = defineCommand({
  name: 'batch',
  details: [
    'SOURCE is a folder, with the folders in it, or a list: a file of JSON lines { "image": PATH or ADDRESS, "id": TEXT }, id being optional. Captions are greedy.',
    'Writes a record per picture, in the order of SOURCE: { id, text }, { id, embedding } or { id, label, scores }. The file appears when all are done. Until then results are kept in FILE.journal: the same command goes on where the last one ended, and does what has been added to SOURCE since.',
    'With --redis, or REDIS_URL, the pictures go into a queue for any number of "tessera worker", on any machines (npm install bullmq ioredis). Else this process does them.',
    'A picture that fails after all attempts stops nothing: it is listed in FILE.failed.jsonl with its problem, and the exit code is 1. The same command tries it again.',
  ].join('\n\n'),
  operands: { usage: 'SOURCE', min: 1, max: 1 },
  options,
  examples: [
    'tessera batch ~/Pictures --output captions.jsonl --model ./my-llava --max-new-tokens 64',
    'tessera batch list.jsonl --task embed --model ./clip --output vectors.parquet --redis redis://host',
    'tessera batch ./photos --task classify --labels "cat,dog" --model ./clip --output labels.jsonl',
  ],
  async run(values, [source = ''], terminal) {
    const { output } = values;
    if (output === undefined) throw new UsageError('batch needs --output FILE. See: tessera batch --help');
    const format = formatOf(output);
    if (!format)
      throw new UsageError(`--output is "${output}"; expected a name that ends in .jsonl or .parquet.`);
    if (format === 'parquet') await loadParquet(); // now rather than after hours
    const task = await readTaskOptions(values);
    const { pictures, skipped } = await listPictures(source);
    for (const { path, problem } of skipped) terminal.stderr.write(`tessera: left out ${path}: ${problem}\n`);
    const onWait = (): void => {
      terminal.stderr.write(`batch: another run writes ${output}; waiting for it\n`);
    };
    const { signal } = terminal;
    return withFileLock(`${output}.lock`, { signal, onWait }, async () => {
      const journal = await openJournal(`${output}.journal`, task);
      try {
        const failed = await runAll(values, task, pictures, journal, terminal);
        return await finish(output, task, pictures, failed, journal, terminal);
      } finally {
        await journal.close();
      }
    });
  },
});

interface Failed {
  readonly id: string;
  readonly image: string;
  readonly problem: string;
}

/** Runs what has no result yet; what comes is in the journal before more is asked for. */
async function runAll(
  values: BatchValues,
  task: BatchTask,
  pictures: readonly BatchPicture[],
  journal: Journal,
  terminal: Terminal,
): Promise<readonly Failed[]> {
  const finished = journal.finished;
  const left = pictures.filter(({ id }) => !finished.has(id));
  const failed: Failed[] = [];
  const progress = createProgressLine(terminal.stderr);
  let done = pictures.length - left.length;
  const show = (): void => {
    const amount = `${formatCount(done)} of ${formatCount(pictures.length)}`;
    const failures = failed.length > 0 ? `, ${formatCount(failed.length)} failed` : '';
    progress.show(formatProgress('pictures', done + failed.length, pictures.length, amount + failures));
  };
  try {
    show();
    for await (const outcomes of outcomesOf(values, task, left, terminal)) {
      const records: BatchRecord[] = [];
      for (const outcome of outcomes) {
        const { picture } = outcome;
        if ('result' in outcome) records.push({ id: picture.id, ...outcome.result });
        else failed.push({ ...picture, problem: outcome.problem });
      }
      await journal.append(records);
      done += records.length;
      show();
    }
    return failed;
  } finally {
    progress.clear();
  }
}

function outcomesOf(
  values: BatchValues,
  task: BatchTask,
  left: readonly BatchPicture[],
  terminal: Terminal,
): AsyncIterable<readonly Outcome[]> {
  const { signal, stderr } = terminal;
  const retries = { attempts: values.attempts ?? DEFAULT_ATTEMPTS, backoffMs: BACKOFF_MS };
  const queue = values.here ? undefined : readQueue(values);
  if (!queue) return runHere(task, left, taskOpener(values.adapter, terminal), { ...retries, signal });
  const runKey = createHash('sha256')
    .update(JSON.stringify([hostname(), resolve(values.output ?? ''), task]))
    .digest('hex');
  let hasSaid = false;
  const onNoWorkers = (): void => {
    if (!hasSaid) stderr.write(`batch: no worker is there; start: tessera worker --redis URL\n`);
    hasSaid = true;
  };
  return runOnRedis(task, left, { ...queue, ...retries, runKey, signal, onNoWorkers });
}

async function finish(
  output: string,
  task: BatchTask,
  pictures: readonly BatchPicture[],
  failed: readonly Failed[],
  journal: Journal,
  { stderr }: Terminal,
): Promise<number> {
  const finished = journal.finished;
  const ids = pictures.map(({ id }) => id).filter((id) => finished.has(id));
  await writeResults(output, task.kind, ids, (id) => journal.read(id));
  const failedPath = `${output}.failed.jsonl`;
  if (failed.length === 0) await rm(failedPath, { force: true });
  else await writeWhole(failedPath, failed.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  stderr.write(`${output}: ${formatCount(ids.length)} of ${formatCount(pictures.length)} pictures\n`);
  for (const { id, problem } of failed.slice(0, MAX_LISTED)) stderr.write(`tessera: ${id}: ${problem}\n`);
  if (failed.length > 0) stderr.write(`${failedPath}: ${formatCount(failed.length)} failed\n`);
  return failed.length > 0 ? 1 : 0;
}

const MAX_LISTED = 5;

/** The task that the options describe. Throws UsageError for options of another task. */
async function readTaskOptions(values: BatchValues): Promise<BatchTask> {
  const { task: kind = 'caption', dtype, prompt, labels, label, template } = values;
  const maxNewTokens = values['max-new-tokens'];
  const isClassify = kind === 'classify';
  if (!isClassify && (labels !== undefined || label.length > 0 || template !== undefined))
    throw new UsageError('--labels, --label and --template are for --task classify.');
  if (kind !== 'caption' && (prompt !== undefined || maxNewTokens !== undefined))
    throw new UsageError('--prompt and --max-new-tokens are for --task caption.');
  if (kind !== 'caption') requireModel('batch', values.model);
  const on = { model: await absoluteModel(values.model), dtype };
  switch (kind) {
    case 'caption':
      return { kind, ...on, prompt: prompt ?? DEFAULT_PROMPT, maxNewTokens };
    case 'embed':
      return { kind, ...on };
    case 'classify':
      if (template !== undefined && !template.includes('{}'))
        throw new UsageError(`--template is "${template}"; expected {} in it, where the label goes.`);
      return { kind, ...on, labels: readLabels('batch', labels, label), template };
  }
}

/** A worker may run in another folder. */
async function absoluteModel(model: string | undefined): Promise<string | undefined> {
  if (model === undefined) return undefined;
  const isFolder = (await stat(model).catch(() => undefined))?.isDirectory() ?? false;
  return isFolder ? resolve(model) : model;
}
