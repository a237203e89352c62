import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { InputError } from '../core/errors.ts';

/** Who may ask. */
export interface ApiKeys {
  readonly size: number;
  /** A name for the key's owner that tells nothing of the key, or null where it is not known. */
  ownerOf(key: string): string | null;
}

const MIN_LENGTH = 16;

/** Throws InputError for a key that is easily guessed. */
export function createApiKeys(keys: readonly string[]): ApiKeys {
  const short = keys.find((key) => key.length < MIN_LENGTH);
  if (short !== undefined) {
    throw new InputError(
      `api keys: one has ${short.length} characters; expected at least ${MIN_LENGTH}. Make one: openssl rand -hex 24`,
    );
  }
  const hashes = [...new Set(keys)].map(hashOf);
  return {
    size: hashes.length,
    ownerOf(key) {
      const given = hashOf(key);
      let owner: string | null = null;
      // All are compared, each in constant time: how long it takes tells nothing.
      for (const hash of hashes)
        if (timingSafeEqual(hash, given)) owner = `key-${hash.toString('hex', 0, 4)}`;
      return owner;
    },
  };
}

const hashOf = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Keys of a file, one a line; `#` begins a comment. Throws InputError where it cannot be read or holds none. */
export async function readApiKeyFile(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new InputError(`api keys "${path}": it cannot be read (${cause.message}); expected a text file.`, {
      cause,
    });
  });
  const keys = text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  if (keys.length === 0) throw new InputError(`api keys "${path}": it holds none; expected one a line.`);
  return keys;
}
