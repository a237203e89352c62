import { WeightError } from '../../core/errors.ts';
import { blobSource } from '../../weights/byte-source.ts';
import {
  type CheckpointFiles,
  checkPlainFileName,
  MAX_WHOLE_FILE_BYTES,
  missingFile,
  readWholeSource,
} from '../../weights/checkpoint-files.ts';
import { urlExists } from '../../weights/url-source.ts';
import { type DownloadOptions, downloadFile } from './download.ts';
import { ABSENT } from './model-folders.ts';
import { fileNamed } from './private-files.ts';
import type { RemoteModel } from './remote-model.ts';

/** Files of a remote model, each downloaded into `folder` when it is first asked for and read from there ever after. */
export function storedFiles(
  remote: RemoteModel,
  folder: FileSystemDirectoryHandle,
  options: DownloadOptions,
): CheckpointFiles {
  const urlOf = (file: string): URL => {
    checkPlainFileName(file, remote.name);
    return new URL(encodeURIComponent(file), remote.base);
  };
  const stored = async (file: string): Promise<File | undefined> =>
    (await fileNamed(folder, file))?.getFile();
  const fetched = async (file: string): Promise<File> => {
    const url = urlOf(file);
    // One tab downloads; another that wants the file waits for it.
    return navigator.locks.request(`tessera ${remote.key} ${file}`, async () => {
      const byteLength = remote.files?.get(file);
      return (await stored(file)) ?? downloadFile(url, folder, file, { ...options, byteLength });
    });
  };
  const has = async (file: string): Promise<boolean> => {
    if (await fileNamed(folder, file)) return true;
    if (await fileNamed(folder, file + ABSENT)) return false;
    const isThere = remote.files ? remote.files.has(file) : await urlExists(urlOf(file), { name: file });
    // A page without a network must know it too.
    if (!isThere) await folder.getFileHandle(file + ABSENT, { create: true });
    return isThere;
  };
  const open = async (file: string) => {
    if (!(await has(file))) throw missingFile(remote.name, file);
    return blobSource(file, (await stored(file)) ?? (await fetched(file)));
  };
  return {
    name: remote.name,
    list: async () => (remote.files ? [...remote.files.keys()].sort() : undefined),
    has,
    open,
    readBytes: async (file) => {
      const byteLength = remote.files?.get(file) ?? 0;
      if (byteLength > MAX_WHOLE_FILE_BYTES)
        throw new WeightError(
          `${file}: ${byteLength} bytes; expected at most ${MAX_WHOLE_FILE_BYTES} for a file read whole.`,
        );
      return readWholeSource(await open(file));
    },
  };
}
