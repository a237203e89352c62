import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createProgressLine } from '../../src/cli/progress.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import { readJson } from '../../src/weights/checkpoint-files.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readEnvironment } from '../environment.ts';
import { familyName } from './families.ts';
import { formatTable, replaceTable, type TableRow } from './markdown.ts';
import { type CheckpointMeasurement, measureCheckpoint } from './measure-checkpoint.ts';

const HELP = `Usage: npm run model-table -- [options] [CHECKPOINT...]

Verifies checkpoints that hold a recorded reference on each adapter, times an answer, and prints the table of the README.
Without CHECKPOINT: all of test/goldens.

  --adapter NAME   may be given more than once; lavapipe and swiftshader unless told
  --write          also puts the table into README.md
  --json FILE      also writes the measurements as JSON
  --help           this text

Examples:
  npm run model-table -- --write
  npm run model-table -- --adapter gpu test/goldens/llava15
`;

const GOLDENS = 'test/goldens';
const REFERENCE = 'reference.safetensors';

function readOptions(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        adapter: { type: 'string', multiple: true, default: ['lavapipe', 'swiftshader'] },
        write: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See: npm run model-table -- --help`, { cause: error });
  }
}

/** Folders of recorded checkpoints: with a tokenizer, since a part of a model has none, and outputs to compare with. */
async function recordedCheckpoints(): Promise<string[]> {
  const folders = (await readdir(GOLDENS)).map((name) => join(GOLDENS, name));
  const isRecorded = async (folder: string): Promise<boolean> => {
    const files: readonly string[] = await readdir(folder).catch(() => []);
    return files.includes('config.json') && files.includes('tokenizer.json') && files.includes(REFERENCE);
  };
  const recorded = await Promise.all(folders.map(isRecorded));
  return folders.filter((_, i) => recorded[i]).sort();
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = readOptions(args);
  if (values.help) {
    console.log(HELP);
    return;
  }
  const folders = positionals.length > 0 ? positionals : await recordedCheckpoints();
  const measurements = new Map<string, CheckpointMeasurement[]>(folders.map((folder) => [folder, []]));
  const environments = [];
  const progress = createProgressLine(process.stderr);
  for (const adapter of values.adapter) {
    for (const folder of folders) {
      progress.show(`${adapter}: ${folder}`);
      // A device each, so that its peak of memory is the checkpoint's own.
      const device = await requestDevice({ adapter });
      try {
        measurements.get(folder)?.push(await measureCheckpoint(folder, device));
        if (folder === folders[0]) environments.push(readEnvironment(device));
      } finally {
        device.dispose();
      }
    }
  }
  progress.clear();
  const rows: TableRow[] = [];
  for (const [folder, measured] of measurements) {
    const config = await readJson(await folderFiles(folder), 'config.json');
    rows.push({
      family: familyName(readConfig(config, folder)),
      checkpoint: basename(folder),
      measurements: measured,
    });
  }
  rows.sort((a, b) => a.family.localeCompare(b.family));
  const table = formatTable(rows);
  console.log(table);
  if (values.write) await writeFile('README.md', replaceTable(await readFile('README.md', 'utf8'), table));
  if (values.json !== undefined)
    await writeFile(values.json, `${JSON.stringify({ environments, rows }, null, 2)}\n`);
  const failed = rows.filter((row) => row.measurements.some((one) => one.failed.length > 0));
  if (failed.length > 0) {
    process.exitCode = 1;
    console.error(
      `model-table: ${failed.map(({ checkpoint }) => checkpoint).join(', ')} differ from their references.`,
    );
  }
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`model-table: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
