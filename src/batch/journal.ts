import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { InputError } from '../core/errors.ts';
import { isJsonObject } from '../weights/strict-json.ts';
import type { BatchRecord, BatchTask } from './task.ts';

/** Results of a batch as they come: one JSON line each, after a line that names the task. */
export interface Journal {
  /** Ids that have a result. */
  readonly finished: ReadonlySet<string>;
  /** Adds results and returns when they are on the disk. An id that has one already is left out: the first counts. */
  append(records: readonly BatchRecord[]): Promise<void>;
  /** The record of an id in `finished`. */
  read(id: string): Promise<BatchRecord>;
  close(): Promise<void>;
}

interface Span {
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * Opens the journal of a batch, or begins one. A line that was cut short by a crash is taken away: its picture is done
 * again. Throws InputError where the file is no journal, or that of another task.
 */
export async function openJournal(path: string, task: BatchTask): Promise<Journal> {
  const header = JSON.stringify({ batch: 1, task });
  const spans = new Map<string, Span>();
  let end = await scan(path, header, spans);
  if (end === 0) {
    // Renamed into place, so that there never is a journal without its first line.
    await writeFile(`${path}.incomplete`, `${header}\n`);
    await rename(`${path}.incomplete`, path);
    end = Buffer.byteLength(header) + 1;
  }
  const file = await open(path, 'r+');
  await file.truncate(end);
  return {
    get finished() {
      return new Set(spans.keys());
    },
    async append(records) {
      const lines: string[] = [];
      for (const record of records) {
        if (spans.has(record.id)) continue;
        const line = JSON.stringify(record);
        const byteLength = Buffer.byteLength(line);
        spans.set(record.id, { offset: end, byteLength });
        lines.push(`${line}\n`);
        end += byteLength + 1;
      }
      const bytes = Buffer.from(lines.join(''));
      await writeFully(file, bytes, end - bytes.length);
      await file.datasync();
    },
    async read(id) {
      const { offset, byteLength } = spans.get(id) ?? { offset: 0, byteLength: 0 };
      const bytes = Buffer.alloc(byteLength);
      await file.read(bytes, 0, byteLength, offset);
      return JSON.parse(bytes.toString('utf8')) as BatchRecord;
    },
    close: () => file.close(),
  };
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Fills `spans` and gives where the last whole line ends; 0 where there is no file. */
async function scan(path: string, header: string, spans: Map<string, Span>): Promise<number> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new InputError(`journal "${path}": cannot be opened (${error.message}).`, { cause: error });
  });
  if (!file) return 0;
  const { size } = await file.stat();
  await file.close();
  let offset = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const byteLength = Buffer.byteLength(line);
    // Without its line feed a line may have lost more than that.
    if (offset + byteLength + 1 > size) break;
    if (offset === 0) requireHeader(path, line, header);
    else spans.set(idOf(path, line), { offset, byteLength });
    offset += byteLength + 1;
  }
  return offset;
}

function requireHeader(path: string, line: string, header: string): void {
  if (line === header) return;
  const isJournal = line.startsWith('{"batch":1,');
  throw new InputError(
    isJournal
      ? `journal "${path}": is that of another task, ${line.slice(0, 200)}; expected the command to go on as it began. Give another --output, or remove it.`
      : `journal "${path}": is no journal of a batch; expected a name that is free. Give another --output.`,
  );
}

function idOf(path: string, line: string): string {
  try {
    const json: unknown = JSON.parse(line);
    if (isJsonObject(json) && typeof json.id === 'string') return json.id;
  } catch {
    // Said below.
  }
  throw new InputError(
    `journal "${path}": holds the line ${line.slice(0, 80)}; expected a result. Remove the file to begin anew.`,
  );
}
