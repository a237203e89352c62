import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../core/errors.ts';
import {
  type CheckpointFiles,
  checkPlainFileName,
  missingFile,
  readWholeSource,
} from './checkpoint-files.ts';
import { fileSource } from './file-source.ts';

/**
 * The files of a checkpoint folder, by path or file URL (Node only). Links are followed: the Hugging Face cache is
 * made of them. Throws InputError when it is no folder.
 */
export async function folderFiles(folder: string | URL): Promise<CheckpointFiles> {
  const path = typeof folder === 'string' ? folder : fileURLToPath(folder);
  await checkIsFolder(path);
  const has = async (file: string): Promise<boolean> => {
    checkPlainFileName(file, path);
    return (await statOrUndefined(join(path, file)))?.isFile() ?? false;
  };
  const open = async (file: string) => {
    if (!(await has(file))) throw missingFile(path, file);
    return fileSource(join(path, file));
  };
  return {
    name: path,
    list: async () => (await readdir(path)).sort(),
    has,
    open,
    readBytes: async (file) => readWholeSource(await open(file)),
  };
}

async function checkIsFolder(path: string): Promise<void> {
  const stats = await statOrUndefined(path);
  if (stats === undefined) {
    throw new InputError(
      `model folder "${path}": does not exist; expected a folder with config.json and model.safetensors. Check the path.`,
    );
  }
  if (!stats.isDirectory()) {
    throw new InputError(
      `model folder "${path}": is a file; expected the folder that holds config.json and model.safetensors. Give the folder.`,
    );
  }
}

async function statOrUndefined(path: string) {
  try {
    return await stat(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new InputError(`"${path}": cannot be read (${code}); expected a readable file or folder.`, {
      cause,
    });
  }
}
