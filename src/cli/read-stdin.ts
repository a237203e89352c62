import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Terminal } from './command.ts';
import { UsageError } from './usage-error.ts';

/** Stands for standard input among the pictures. */
export const STDIN = '-';

/** All of standard input. */
export const readStdin = async ({ stdin, signal }: Terminal): Promise<Uint8Array> =>
  new Uint8Array(await buffer(addAbortSignal(signal, stdin)));

/** Throws UsageError where standard input is asked for more than once. */
export function checkStdinOnce(command: string, pictures: readonly string[]): void {
  if (pictures.filter((picture) => picture === STDIN).length > 1) {
    throw new UsageError(`${command}: ${STDIN} is given twice; expected standard input once.`);
  }
}
