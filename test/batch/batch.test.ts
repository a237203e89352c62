/** Batches without a queue: lists, journals, retries and result files. */
import { appendFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openJournal } from '../../src/batch/journal.ts';
import { listPictures } from '../../src/batch/list-pictures.ts';
import { runHere } from '../../src/batch/run-here.ts';
import { type BatchTask, type Outcome, readResult, readTask } from '../../src/batch/task.ts';
import { writeResults } from '../../src/batch/write-results.ts';
import { DeviceError, InputError } from '../../src/core/errors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-batch-'));
});
afterAll(() => rm(folder, { recursive: true }));

const TASK: BatchTask = { kind: 'caption', prompt: 'What is it?' };

test('pictures of a folder are called by their paths in it, those of a list by what it says', async () => {
  const pictures = join(folder, 'pictures');
  await mkdir(join(pictures, 'b'), { recursive: true });
  for (const name of ['z.png', 'b/a.jpg', 'note.txt']) await writeFile(join(pictures, name), '');
  expect((await listPictures(pictures)).pictures).toEqual([
    { id: 'b/a.jpg', image: join(pictures, 'b/a.jpg') },
    { id: 'z.png', image: join(pictures, 'z.png') },
  ]);
  const list = join(folder, 'list.jsonl');
  const address = 'https://example.org/x.png';
  await writeFile(list, `{"image":"pictures/z.png"}\n\n${JSON.stringify({ image: address, id: 'x' })}\n`);
  expect((await listPictures(list)).pictures).toEqual([
    { id: 'pictures/z.png', image: join(pictures, 'z.png') },
    { id: 'x', image: address },
  ]);
});

test.each([
  ['{"image":"a.png"}\n{"image":"a.png"}\n', /line 2: "a.png" stands there twice/],
  ['{"image":"a.png"}\n{"image":1}\n', /line 2: is {"image":1}; expected { "image"/],
  ['a.png\n', /line 1: is "a.png"; expected/],
  ['{"image":"a.png","id":7}\n', /line 1: "id" is 7; expected a text/],
  ['\n', /holds no picture/],
])('the list %j is refused', async (text, reason) => {
  const list = join(folder, 'wrong.jsonl');
  await writeFile(list, text);
  await expect(listPictures(list)).rejects.toThrow(reason);
});

test('a journal goes on after a crash, but for the line that was cut short', async () => {
  const path = join(folder, 'cut.journal');
  const first = await openJournal(path, TASK);
  await first.append([
    { id: 'ä', text: 'one' },
    { id: 'b', text: 'two\nlines' },
    { id: 'ä', text: 'again' },
  ]);
  await first.close();
  const whole = (await readFile(path)).length;
  await appendFile(path, '{"id":"c","text":"thr');

  const second = await openJournal(path, TASK);
  expect([...second.finished]).toEqual(['ä', 'b']);
  await second.append([{ id: 'c', text: 'three' }]);
  expect(await second.read('ä')).toEqual({ id: 'ä', text: 'one' });
  expect(await second.read('b')).toEqual({ id: 'b', text: 'two\nlines' });
  await second.close();

  // Cut anywhere, it holds what was whole before.
  await truncate(path, whole + 3);
  const third = await openJournal(path, TASK);
  expect([...third.finished]).toEqual(['ä', 'b']);
  await third.close();
});

test('a journal of another task, or what is none, is refused and left as it is', async () => {
  const path = join(folder, 'other.journal');
  await (await openJournal(path, TASK)).close();
  const before = await readFile(path, 'utf8');
  await expect(openJournal(path, { kind: 'embed', model: 'clip' })).rejects.toThrow(
    /is that of another task/,
  );
  expect(await readFile(path, 'utf8')).toBe(before);
  await writeFile(path, 'my notes\n');
  await expect(openJournal(path, TASK)).rejects.toThrow(/is no journal of a batch/);
  expect(await readFile(path, 'utf8')).toBe('my notes\n');
});

const pictures = ['a', 'b', 'c', 'd'].map((id) => ({ id, image: `/${id}.png` }));

/** Runs `pictures` through a model that is a function of id and attempt. */
async function runWith(
  answer: (id: string, attempt: number) => string,
  signal = new AbortController().signal,
) {
  const calls: string[] = [];
  let disposed = 0;
  const outcomes: Outcome[] = [];
  const open = async () => ({
    async run({ id }: { readonly id: string }) {
      calls.push(id);
      return { text: answer(id, calls.filter((call) => call === id).length) };
    },
    dispose: () => {
      disposed++;
    },
  });
  const failure = await (async () => {
    const retries = { attempts: 3, backoffMs: 5, signal };
    for await (const some of runHere(TASK, pictures, open, retries)) outcomes.push(...some);
  })().catch((error: unknown) => error);
  return { calls, disposed, outcomes, failure };
}

test('a picture that fails is tried again after the others, and given up after three attempts', async () => {
  const { calls, disposed, outcomes, failure } = await runWith((id, attempt) => {
    if (id === 'a' || (id === 'b' && attempt < 3)) throw new InputError(`${id} failed, attempt ${attempt}`);
    return id.toUpperCase();
  });
  expect(failure).toBeUndefined();
  expect(calls.slice(0, 2)).toEqual(['a', 'b']);
  expect([...calls].sort().join('')).toBe('aaabbbcd');
  const byId = new Map(outcomes.map((outcome) => [outcome.picture.id, outcome]));
  expect(byId.size).toBe(outcomes.length);
  expect(byId.get('a')).toMatchObject({ problem: 'a failed, attempt 3' });
  for (const id of ['b', 'c', 'd'])
    expect(byId.get(id)).toMatchObject({ result: { text: id.toUpperCase() } });
  expect(disposed).toBe(1);
});

test('what no picture is to blame for ends the run', async () => {
  const { outcomes, disposed, failure } = await runWith((id) => {
    if (id === 'c') throw new DeviceError('the device is lost', { lost: true });
    return id;
  });
  expect(failure).toBeInstanceOf(DeviceError);
  expect(outcomes.map(({ picture }) => picture.id)).toEqual(['a', 'b']);
  expect(disposed).toBe(1);
});

test('an interrupted run keeps what it has', async () => {
  const abort = new AbortController();
  const { outcomes, failure } = await runWith((id) => {
    if (id === 'b') abort.abort();
    return id;
  }, abort.signal);
  expect(failure).toMatchObject({ name: 'AbortError' });
  expect(outcomes.map(({ picture }) => picture.id)).toEqual(['a', 'b']);
});

const RESULTS = {
  caption: [{ text: 'a carrot' }, { text: 'ein "Käfer"\n' }],
  embed: [{ embedding: [0.5, -0.25] }, { embedding: [1, 0] }],
  classify: [
    {
      label: 'cat',
      scores: [
        { label: 'cat', probability: 0.9 },
        { label: 'dog', probability: 0.1 },
      ],
    },
    { label: 'dog', scores: [{ label: 'dog', probability: 1 }] },
  ],
} as const;

test.each(['caption', 'embed', 'classify'] as const)(
  'results of %s as JSON lines and as Parquet',
  async (kind) => {
    const records = RESULTS[kind].map((result, i) => ({ id: `${i}.png`, ...result }));
    const ids = records.map(({ id }) => id);
    const read = async (id: string) => records.find((record) => record.id === id) ?? { id, text: 'none' };
    const lines = join(folder, `${kind}.jsonl`);
    await writeResults(lines, kind, ids, read);
    expect(await readFile(lines, 'utf8')).toBe(
      records.map((record) => `${JSON.stringify(record)}\n`).join(''),
    );

    const table = join(folder, `${kind}.parquet`);
    await writeResults(table, kind, ids, read);
    const bytes = await readFile(table);
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    expect(await parquetReadObjects({ file })).toEqual(records);
  },
);

test('results that cannot be read leave the file that was there, and nothing beside it', async () => {
  const path = join(folder, 'kept.jsonl');
  await writeFile(path, 'before\n');
  const fail = () => Promise.reject(new Error('no such record'));
  await expect(writeResults(path, 'caption', ['a'], fail)).rejects.toThrow(
    /cannot be written \(no such record\)/,
  );
  expect(await readFile(path, 'utf8')).toBe('before\n');
});

test.each([
  [{ kind: 'paint' }, /kind is "paint"/],
  [{ kind: 'caption' }, /prompt is missing/],
  [{ kind: 'caption', prompt: 'x', maxNewTokens: 0 }, /maxNewTokens is 0/],
  [{ kind: 'classify', labels: [] }, /labels is \[\]/],
  ['caption', /task is "caption"/],
])('the task %j is refused', (json, reason) => {
  expect(() => readTask(json)).toThrow(reason);
});

test('a result of another task is refused', () => {
  expect(() => readResult('embed', { text: 'x' })).toThrow(/embedding is missing/);
  expect(() => readResult('embed', { embedding: [1, 'x'] })).toThrow(/embedding is \[1,"x"\]/);
});
