/** The browser's origin-private file system, as far as the DOM library of TypeScript does not know it. */

/** Workers alone may make one; while it is open, nobody else can write the file. */
export interface SyncAccess {
  getSize(): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(byteLength: number): void;
  flush(): void;
  close(): void;
}

interface PrivateFile extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccess>;
  move(name: string): Promise<void>;
}

/** For writing in place. Throws DOMException where another tab writes the file. */
export const openForWriting = (file: FileSystemFileHandle): Promise<SyncAccess> =>
  (file as PrivateFile).createSyncAccessHandle();

/** Gives a file another name in its folder, in one step. */
export const rename = (file: FileSystemFileHandle, name: string): Promise<void> =>
  (file as PrivateFile).move(name);

/** A file of a folder; undefined where there is none. */
export async function fileNamed(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemFileHandle | undefined> {
  try {
    return await folder.getFileHandle(name);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
    throw error;
  }
}
