import { InputError, WeightError } from '../core/errors.ts';
import { type ByteSource, blobSource, bytesSource } from './byte-source.ts';
import { parseStrictJson, showJson } from './strict-json.ts';
import { fetchWhole, type UrlOptions, urlExists, urlSource } from './url-source.ts';

/** The files of one checkpoint, flat, wherever they lie: a folder, a URL, files picked in a page. */
export interface CheckpointFiles {
  /** For messages: the folder, the URL. */
  readonly name: string;
  /** File names, sorted, or undefined where the place cannot be listed (a URL). */
  list(): Promise<readonly string[] | undefined>;
  /** Whether there is such a file. Throws WeightError where the place cannot be asked. */
  has(file: string): Promise<boolean>;
  /** For reading by ranges; the caller closes it. Throws WeightError when it is not there. */
  open(file: string): Promise<ByteSource>;
  /** A whole small file. Throws WeightError when it is not there or over MAX_WHOLE_FILE_BYTES. */
  readBytes(file: string): Promise<Uint8Array>;
}

/** Far over any tokenizer.json (tens of MB), far under what would exhaust memory. */
export const MAX_WHOLE_FILE_BYTES = 256 * 2 ** 20;

/** A file as text. Throws WeightError when it is missing or no UTF-8. */
export async function readText(files: CheckpointFiles, file: string): Promise<string> {
  const bytes = await files.readBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new WeightError(`${files.name}: ${file} is not valid UTF-8; expected text.`, { cause });
  }
}

/** A file as JSON, duplicate keys refused. Throws WeightError naming the file. */
export async function readJson(files: CheckpointFiles, file: string): Promise<unknown> {
  return parseStrictJson(await files.readBytes(file), `${files.name}: ${file}`);
}

/** A file's JSON; undefined where the checkpoint has none of that name. */
export const readJsonIfPresent = async (files: CheckpointFiles, file: string): Promise<unknown> =>
  (await files.has(file)) ? readJson(files, file) : undefined;

/** Throws WeightError unless `file` is a plain name: no folder, no drive, no way out of the checkpoint. */
export function checkPlainFileName(file: string, where: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  if (file === '.' || file === '..' || !/^[^/\\:\x00-\x1f]{1,255}$/.test(file)) {
    throw new WeightError(
      `${where}: file name ${showJson(file)}; expected a plain name of a file in the same folder.`,
    );
  }
}

/** Reads `source` whole and closes it. */
export async function readWholeSource(source: ByteSource): Promise<Uint8Array> {
  try {
    if (source.byteLength > MAX_WHOLE_FILE_BYTES) {
      throw new WeightError(
        `${source.name}: ${source.byteLength} bytes; expected at most ${MAX_WHOLE_FILE_BYTES} for a file read whole.`,
      );
    }
    return await source.read(0, source.byteLength);
  } finally {
    await source.close();
  }
}

/** Files held by a page or a test, by name: the File objects of a picker, Blobs, or bytes. */
export function memoryFiles(name: string, contents: ReadonlyMap<string, Blob | Uint8Array>): CheckpointFiles {
  const open = async (file: string): Promise<ByteSource> => {
    const content = contents.get(file);
    if (content === undefined) throw missingFile(name, file);
    return content instanceof Uint8Array ? bytesSource(file, content) : blobSource(file, content);
  };
  return {
    name,
    list: async () => [...contents.keys()].sort(),
    has: async (file) => contents.has(file),
    open,
    readBytes: async (file) => readWholeSource(await open(file)),
  };
}

/**
 * Files under a base URL such as `https://huggingface.co/OWNER/NAME/resolve/main`; a query or fragment is refused.
 * Weights come by range requests, small files whole. Throws InputError for a base that is no http(s) URL.
 */
export function urlFiles(base: string | URL, options: UrlOptions = {}): CheckpointFiles {
  const folder = URL.canParse(base) ? new URL(base) : undefined;
  if (folder === undefined || !/^https?:$/.test(folder.protocol) || folder.search || folder.hash) {
    throw new InputError(`url "${base}": is no checkpoint address; expected http(s)://… with no query.`);
  }
  if (!folder.pathname.endsWith('/')) folder.pathname += '/';
  const urlOf = (file: string): URL => {
    checkPlainFileName(file, folder.href);
    return new URL(encodeURIComponent(file), folder);
  };
  return {
    name: folder.href,
    list: async () => undefined,
    has: async (file) => urlExists(urlOf(file), { ...options, name: file }),
    open: async (file) => urlSource(urlOf(file), { ...options, name: file }),
    readBytes: async (file) => fetchWhole(urlOf(file), MAX_WHOLE_FILE_BYTES, { ...options, name: file }),
  };
}

export const missingFile = (name: string, file: string): WeightError =>
  new WeightError(`${name}: has no file ${file}; expected it beside the others. Download it again.`);
