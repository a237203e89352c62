import { open } from 'node:fs/promises';
import type { SchemaElement } from 'hyparquet-writer';
import { InputError, UnsupportedError } from '../core/errors.ts';
import { replaceFile } from '../core/replace-file.ts';
import { importHidden } from '../image/import-hidden.ts';
import type { BatchRecord, BatchTask } from './task.ts';

/** Records that are in memory at once, and rows of a row group. */
const CHUNK = 1024;

export type ResultFormat = 'jsonl' | 'parquet';

/** By the ending of the file's name; undefined for any other. */
export function formatOf(path: string): ResultFormat | undefined {
  if (/\.(jsonl|ndjson)$/.test(path)) return 'jsonl';
  return path.endsWith('.parquet') ? 'parquet' : undefined;
}

/**
 * Writes the records of `ids`, in this order: the whole file or nothing, and what stood there before until then.
 * Throws InputError where it cannot be written, UnsupportedError where hyparquet-writer is not installed.
 */
export async function writeResults(
  path: string,
  kind: BatchTask['kind'],
  ids: readonly string[],
  read: (id: string) => Promise<BatchRecord>,
): Promise<void> {
  const write = formatOf(path) === 'parquet' ? writeParquet : writeLines;
  const chunks = async function* (): AsyncGenerator<readonly BatchRecord[]> {
    for (let begin = 0; begin < ids.length; begin += CHUNK)
      yield await Promise.all(ids.slice(begin, begin + CHUNK).map(read));
  };
  try {
    await replaceFile(path, (staging) => write(staging, kind, chunks()));
  } catch (cause) {
    if (cause instanceof UnsupportedError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(`--output "${path}": cannot be written (${reason}); expected a place to write to.`, {
      cause,
    });
  }
}

type Chunks = AsyncIterable<readonly BatchRecord[]>;

async function writeLines(path: string, _kind: BatchTask['kind'], chunks: Chunks): Promise<void> {
  const file = await open(path, 'wx');
  try {
    for await (const records of chunks)
      await file.appendFile(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeParquet(path: string, kind: BatchTask['kind'], chunks: Chunks): Promise<void> {
  const { ParquetWriter, fileWriter } = await loadParquet();
  const columns = COLUMNS[kind];
  const root = { name: 'root', num_children: 1 + columns.names.length };
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: [root, text('id'), ...columns.schema],
    createdBy: 'tessera',
  });
  for await (const records of chunks) {
    const columnData = ['id', ...columns.names].map((name) => ({
      name,
      data: records.map((record) => new Map<string, unknown>(Object.entries(record)).get(name)),
    }));
    await writer.write({ columnData, rowGroupSize: CHUNK });
  }
  await writer.finish();
}

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type: 'REQUIRED',
});

/** A list in three levels, as the format's description of logical types asks for. */
const list = (name: string, element: readonly SchemaElement[]): readonly SchemaElement[] => [
  { name, repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ...element,
];

const COLUMNS: Readonly<
  Record<BatchTask['kind'], { readonly names: readonly string[]; readonly schema: readonly SchemaElement[] }>
> = {
  caption: { names: ['text'], schema: [text('text')] },
  embed: {
    names: ['embedding'],
    schema: list('embedding', [{ name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' }]),
  },
  classify: {
    names: ['label', 'scores'],
    schema: [
      text('label'),
      ...list('scores', [
        { name: 'element', repetition_type: 'REQUIRED', num_children: 2 },
        text('label'),
        { name: 'probability', type: 'DOUBLE', repetition_type: 'REQUIRED' },
      ]),
    ],
  },
};

/** Throws UnsupportedError when hyparquet-writer is not installed. */
export async function loadParquet(): Promise<typeof import('hyparquet-writer')> {
  try {
    return (await importHidden('hyparquet-writer')) as typeof import('hyparquet-writer');
  } catch (cause) {
    throw new UnsupportedError(
      `batch: the package "hyparquet-writer", which writes Parquet files, does not load (${cause instanceof Error ? cause.message : String(cause)}). Run: npm install hyparquet-writer`,
      { cause },
    );
  }
}
