import type { CheckpointFiles } from '../src/weights/checkpoint-files.ts';
import { folderFiles } from '../src/weights/checkpoint-folder.ts';

/** A checkpoint folder with some of its JSON files replaced. */
export async function withJson(
  folder: string,
  changed: Readonly<Record<string, unknown>>,
): Promise<CheckpointFiles> {
  const files = await folderFiles(folder);
  const bytesOf = (file: string): Uint8Array | undefined =>
    file in changed ? new TextEncoder().encode(JSON.stringify(changed[file])) : undefined;
  return {
    ...files,
    has: async (file) => file in changed || files.has(file),
    readBytes: async (file) => bytesOf(file) ?? files.readBytes(file),
  };
}
