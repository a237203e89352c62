import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import type { Device } from '../src/device/gpu-device.ts';

/** Where and of what a report was measured. */
export interface Environment {
  readonly adapter: string;
  readonly driver: string;
  readonly node: string;
  /** Short hash, with `+` where files differ from it; `unknown` outside of a checkout. */
  readonly commit: string;
  /** Over 1, 5 and 15 minutes before the first measurement: other work slows a CPU adapter. */
  readonly loadAverage: readonly number[];
}

export const readEnvironment = ({ caps, driver }: Device): Environment => ({
  adapter: caps.adapterName,
  driver,
  node: process.version,
  commit: readCommit(),
  loadAverage: loadavg(),
});

function readCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const isDirty = git('status', '--porcelain', '--untracked-files=no', '--', '../src', '.') !== '';
    return git('rev-parse', '--short', 'HEAD').trim() + (isDirty ? '+' : '');
  } catch {
    return 'unknown'; // no git, or an unpacked archive
  }
}
