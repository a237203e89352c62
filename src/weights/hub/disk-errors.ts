import { EngineError, InputError } from '../../core/errors.ts';

/** Runs `work`, which writes at `path`; what the disk refuses becomes an InputError that says what to do. */
export async function withDiskErrors<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof EngineError || code === undefined) throw cause;
    throw new InputError(
      `"${path}": can't be written (${code}: ${message}); expected a disk with room that may be written to. Make room, or set HF_HUB_CACHE to another folder; what came so far is kept.`,
      { cause },
    );
  }
}
