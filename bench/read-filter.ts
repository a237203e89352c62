import { UsageError } from '../src/cli/usage-error.ts';

/** `--filter` as it matches names. Throws UsageError for what is no regular expression. */
export function readFilter(pattern = ''): RegExp {
  try {
    return new RegExp(pattern, 'i');
  } catch (error) {
    throw new UsageError(`--filter is no regular expression: ${(error as Error).message}.`);
  }
}
