import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFileLock } from '../../../src/weights/hub/file-lock.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-lock-'));
  path = join(folder, 'deep', 'lock');
});
afterEach(() => rm(folder, { recursive: true }));

test('is held by one at a time, and gone afterwards', async () => {
  const order: string[] = [];
  let second: Promise<void> | undefined;
  await withFileLock(path, {}, async () => {
    await new Promise<void>((waits) => {
      second = withFileLock(path, { onWait: waits }, async () => void order.push('second'));
    });
    order.push('first');
  });
  await second;
  expect(order).toEqual(['first', 'second']);
  expect(await readdir(join(folder, 'deep'))).toEqual([]);
});

test('is released when the work fails', async () => {
  const fail = () => Promise.reject(new Error('of the work'));
  await expect(withFileLock(path, {}, fail)).rejects.toThrow('of the work');
  expect(await withFileLock(path, {}, async () => 'again')).toBe('again');
});

/** A lock as another process leaves it. */
async function leaveLock(holder: object, secondsAgo: number): Promise<void> {
  await withFileLock(path, {}, async () => {});
  await writeFile(path, JSON.stringify({ id: 'x', ...holder }));
  const touched = new Date(Date.now() - secondsAgo * 1000);
  await utimes(path, touched, touched);
}

async function goneProcess(): Promise<number | undefined> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid;
}

/** Whether the lock is had within a second. */
async function isHad(): Promise<boolean> {
  const signal = AbortSignal.timeout(1000);
  try {
    return await withFileLock(path, { signal }, async () => true);
  } catch (error) {
    expect((error as Error).name).toBe('AbortError');
    return false;
  }
}

test('of a process that is gone is taken over at once', async () => {
  await leaveLock({ host: hostname(), pid: await goneProcess() }, 0);
  expect(await isHad()).toBe(true);
});

test('of a process that lives, or of another machine, is waited for', async () => {
  await leaveLock({ host: hostname(), pid: process.pid }, 1);
  expect(await isHad()).toBe(false);
  await rm(path);
  await leaveLock({ host: 'elsewhere', pid: await goneProcess() }, 1);
  expect(await isHad()).toBe(false);
});

test('whose heartbeat stopped is taken over', async () => {
  await leaveLock({ host: 'elsewhere', pid: 1 }, 60);
  expect(await isHad()).toBe(true);
});

test('that is empty or garbled is taken over when old', async () => {
  await leaveLock({}, 0);
  await writeFile(path, '');
  expect(await isHad()).toBe(false);
  await utimes(path, 0, 0);
  expect(await isHad()).toBe(true);
});
