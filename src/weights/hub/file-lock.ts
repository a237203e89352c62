import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AbortError } from '../../core/errors.ts';
import { isJsonObject } from '../strict-json.ts';

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once when another holds the lock. */
  readonly onWait?: () => void;
}

/** The holder touches its lock this often. */
const HEARTBEAT_MS = 2_000;
/** A lock not touched for so long was left by a process that is no more. */
const STALE_MS = 20_000;
const POLL_MS = 200;

/**
 * Runs `work` while holding the file `path` as a lock, which is waited for. Node has no flock, and the packages that
 * stand in for it are native or change `process` for everyone, so the file's existence is the lock. A lock left behind
 * is taken over: at once when its process on this machine is gone, else when its heartbeat stopped. Two may take it
 * over in one instant, so what it guards must only be wasteful when done twice. Throws AbortError.
 */
export async function withFileLock<T>(
  path: string,
  { signal, onWait }: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const holder = JSON.stringify({ id: randomUUID(), host: hostname(), pid: process.pid });
  await mkdir(dirname(path), { recursive: true });
  for (let round = 0; !(await tryTake(path, holder)); round++) {
    if (round === 0) onWait?.();
    if (!(await removeIfLeft(path))) await pause(signal);
  }
  const heartbeat = setInterval(() => void touch(path), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    // Unless the machine slept and another took the lock over.
    if ((await readLock(path)) === holder) await rm(path, { force: true });
  }
}

async function tryTake(path: string, holder: string): Promise<boolean> {
  try {
    await writeFile(path, holder, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whether it is worth trying at once again: the lock was left behind, or is gone. */
async function removeIfLeft(path: string): Promise<boolean> {
  const holder = await readLock(path);
  if (holder === undefined) return true;
  const touchedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now();
  if (!isProcessGone(holder) && Date.now() - touchedMs < STALE_MS) return false;
  // By renaming, which one alone can do, and with another look: the lock may be a new one by now.
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(() => {});
  const moved = await readLock(aside);
  if (moved !== undefined && moved !== holder) await rename(aside, path).catch(() => {});
  await rm(aside, { force: true });
  return true;
}

/** False where that cannot be told: another machine on a shared disk, or a lock that is only just being written. */
function isProcessGone(holder: string): boolean {
  const { host, pid } = parseHolder(holder);
  if (host !== hostname() || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function parseHolder(holder: string): { readonly host?: unknown; readonly pid?: unknown } {
  try {
    const value: unknown = JSON.parse(holder);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

const readLock = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** A disk that is away for a moment is no reason to stop. */
const touch = (path: string): Promise<void> => utimes(path, new Date(), new Date()).catch(() => {});

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await sleep(POLL_MS, undefined, signal && { signal }).catch((cause: unknown) => {
    throw new AbortError('hub: waiting for another download was aborted', { cause });
  });
}
