/**
 * Batches over a real Redis, in memory on a free port, with workers that are processes of their own. The batch is the
 * command as it stands; the workers' model is a stub (`stub-worker.ts`), but for one test on a GPU.
 */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bundleProgram } from '../../bench/batch-kills/bundle.ts';
import { numberedPicture } from '../../bench/batch-kills/pictures.ts';
import { runWithKills } from '../../bench/batch-kills/run-with-kills.ts';
import { findRedisServer, type RedisServer, startRedis } from '../../bench/batch-kills/start-redis.ts';
import { testAdapters } from '../adapters.ts';

const redisCommand = findRedisServer();
const title = redisCommand ? 'over Redis' : 'over Redis (skipped: no redis-server; run .ci/install)';
const LOCK_MS = '1500';

describe.skipIf(!redisCommand)(title, () => {
  let redis: RedisServer;
  let bundles: string;
  let tessera: string;
  let stubWorker: string;
  let folder: string;
  const running = new Set<ReturnType<typeof spawn>>();

  beforeAll(async () => {
    redis = await startRedis(redisCommand ?? '');
    // Within the checkout, where packages are found.
    await mkdir('.cache', { recursive: true });
    bundles = await mkdtemp('.cache/batch-');
    tessera = await bundleProgram('src/cli/main.ts', join(bundles, 'cli/tessera.mjs'));
    stubWorker = await bundleProgram('test/batch/stub-worker.ts', join(bundles, 'stub-worker.mjs'));
  });
  afterAll(async () => {
    await redis?.stop();
    if (bundles) await rm(bundles, { recursive: true });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tessera-redis-'));
  });
  afterEach(async () => {
    for (const child of running) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const env = () => ({ ...process.env, REDIS_URL: redis.url });
  const batchArgs = (...args: readonly string[]) => [
    tessera,
    'batch',
    join(folder, 'list.jsonl'),
    '--output',
    join(folder, 'out.jsonl'),
    '--queue',
    basename(folder),
    ...args,
  ];
  const workerArgs = () => [stubWorker, redis.url, basename(folder), LOCK_MS, join(folder, 'log')];

  function start(args: readonly string[]) {
    const child = spawn(process.execPath, args, { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = new Promise<{ code: number | null; stderr: string }>((settle) =>
      child.once('close', (code) => {
        running.delete(child);
        settle({ code, stderr });
      }),
    );
    const says = async (text: RegExp): Promise<void> => {
      while (!text.test(stderr)) await sleep(20);
    };
    return { child, ended, says };
  }

  const writeList = (ids: readonly string[]): Promise<void> =>
    writeFile(
      join(folder, 'list.jsonl'),
      ids.map((id) => `${JSON.stringify({ id, image: `${id}.png` })}\n`).join(''),
    );
  const readLines = async (name: string): Promise<readonly Readonly<Record<string, string>>[]> =>
    (await readFile(join(folder, name), 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  /** Ids of the pictures that workers began with, once for each time. */
  const begun = async (): Promise<string[]> =>
    (await readFile(join(folder, 'log'), 'utf8').catch(() => ''))
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' ')[1] ?? '');
  const isThere = async (name: string): Promise<boolean> =>
    stat(join(folder, name)).then(
      () => true,
      () => false,
    );
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${100 + i}`);

  test('with workers killed at random each picture has one result', async () => {
    const ids = numbered(60);
    await writeList(ids);
    const report = await runWithKills({
      worker: workerArgs(),
      batch: batchArgs(),
      env: env(),
      output: join(folder, 'out.jsonl'),
      pictures: ids.length,
      workers: 3,
      kills: 3,
      seed: 5,
    });
    expect(report).toMatchObject({ exitCode: 0, kills: 3, workerLog: '' });
    expect(await readLines('out.jsonl')).toEqual(ids.map((id) => ({ id, text: `it is ${id}` })));
    // Only what a killed worker had at hand was begun anew.
    const times = await begun();
    expect(times.length).toBeGreaterThanOrEqual(ids.length);
    expect(times.length).toBeLessThanOrEqual(ids.length + 3);
    expect(new Set(times)).toEqual(new Set(ids));
  });

  test('bad pictures stop nothing: they are listed, and tried again by the same command', async () => {
    const ids = ['bad-1', 'p1', 'once-2', 'deadly-3', 'p4'];
    await writeList(ids);
    // A deadly picture takes its worker with it each time.
    const workers = Array.from({ length: 6 }, () => start(workerArgs()));
    const { code, stderr } = await start(batchArgs('--attempts', '2')).ended;
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('3 of 5 pictures') });
    expect((await readLines('out.jsonl')).map(({ id }) => id)).toEqual(['p1', 'once-2', 'p4']);
    const failed = new Map(
      (await readLines('out.jsonl.failed.jsonl')).map(({ id, problem }) => [id, problem]),
    );
    expect([...failed.keys()].sort()).toEqual(['bad-1', 'deadly-3']);
    expect(failed.get('bad-1')).toBe('picture "bad-1": is bad; expected a good one.');
    expect(failed.get('deadly-3')).toMatch(/each worker that took it ended before it was done/);
    const times = await begun();
    expect(times.filter((id) => id === 'bad-1').length).toBe(2);
    expect(times.filter((id) => id === 'p1').length).toBe(1);

    await writeList(['bad-1', 'p1', 'p5']);
    expect((await start(batchArgs('--attempts', '1')).ended).code).toBe(1);
    expect((await readLines('out.jsonl')).map(({ id }) => id)).toEqual(['p1', 'p5']);
    const again = (await begun()).slice(times.length);
    expect(again.sort()).toEqual(['bad-1', 'p5']);
    for (const { child } of workers) child.kill('SIGTERM');
  });

  test('a batch that is killed, or interrupted, goes on with the same command', async () => {
    const ids = [...numbered(8), 'gated-1', 'gated-2', 'gated-3'];
    await writeList(ids);
    const first = start(workerArgs());
    const killed = start(batchArgs());
    while (!(await begun()).includes('gated-1')) await sleep(20);
    for (const { child, ended } of [killed, first]) {
      child.kill('SIGKILL');
      await ended;
    }

    const interrupted = start(batchArgs());
    await interrupted.says(/no worker is there/);
    interrupted.child.kill('SIGINT');
    expect((await interrupted.ended).code).toBe(130);
    expect(await isThere('out.jsonl')).toBe(false);

    await writeFile(join(folder, 'log.open'), '');
    const worker = start(workerArgs());
    expect((await start(batchArgs()).ended).code).toBe(0);
    expect(await readLines('out.jsonl')).toEqual(ids.map((id) => ({ id, text: `it is ${id}` })));
    // Only what the killed worker had at hand was begun anew.
    expect((await begun()).sort()).toEqual(['gated-1', ...ids].sort());
    worker.child.kill('SIGTERM');
  });

  test('a worker that is asked to stop is done with its picture first', async () => {
    const ids = ['gated-1', 'p2'];
    await writeList(ids);
    const first = start(workerArgs());
    const batch = start(batchArgs());
    while (!(await begun()).includes('gated-1')) await sleep(20);
    first.child.kill('SIGTERM');
    await sleep(200);
    await writeFile(join(folder, 'log.open'), '');
    expect((await first.ended).code).toBe(0);
    const second = start(workerArgs());
    expect((await batch.ended).code).toBe(0);
    second.child.kill('SIGTERM');
    expect((await begun()).sort()).toEqual(ids);
  });

  test('a server that is not there is named, without its password', async () => {
    await writeList(['p1']);
    const { code, stderr } = await start(batchArgs('--redis', 'redis://:secret@127.0.0.1:1')).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/--redis "redis:\/\/:\*\*\*@127\.0\.0\.1:1": does not answer .*ECONNREFUSED/);
    const worker = await start([tessera, 'worker', '--redis', 'http://x']).ended;
    expect(worker.stderr).toMatch(/--redis "http:\/\/x\/": expected redis:\/\/HOST:PORT/);
  });

  const adapter = testAdapters()[0];
  test.skipIf(adapter === undefined)('workers embed as this process does', async () => {
    const pictures = join(folder, 'pictures');
    await mkdir(pictures);
    for (let i = 0; i < 4; i++) await writeFile(join(pictures, `${i}.png`), await numberedPicture(i));
    await writeFile(join(pictures, 'bad.png'), 'no picture');
    const model = resolve('test/goldens/clip');
    const command = (output: string) => {
      const task = ['--task', 'embed', '--model', model, '--attempts', '1', '--adapter', adapter ?? ''];
      return [tessera, 'batch', pictures, ...task, '--output', join(folder, output)];
    };
    const worker = start([tessera, 'worker', '--adapter', adapter ?? '']);
    const remote = await start(command('remote.jsonl')).ended;
    worker.child.kill('SIGTERM');
    const { code, stderr } = await worker.ended;
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('after 4 pictures') });
    const here = await start([...command('here.jsonl'), '--here']).ended;
    expect([remote.code, here.code]).toEqual([1, 1]);
    const [remoteLines, hereLines] = [await readLines('remote.jsonl'), await readLines('here.jsonl')];
    expect(remoteLines.map(({ id }) => id)).toEqual(['0.png', '1.png', '2.png', '3.png']);
    expect(remoteLines).toEqual(hereLines);
    expect(await readLines('remote.jsonl.failed.jsonl')).toMatchObject([{ id: 'bad.png' }]);
  });
});
