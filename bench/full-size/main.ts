import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from '../../src/cli/usage-error.ts';
import { elementCount } from '../../src/core/shape.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import type { DTypeChoice } from '../../src/generate/precision.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { readEnvironment } from '../environment.ts';
import { fullSizeGraphs, measureFullSize } from './measure.ts';
import { writeRandomCheckpoint } from './random-checkpoint.ts';
import { recordingScope } from './recording-scope.ts';

const CONFIGS = join(import.meta.dirname, 'configs');

const HELP = `Usage: npm run full-size -- [options] MODEL...

Writes checkpoints of random weights with the true sizes of known models, loads them as any other, and runs one forward
pass of each part: whether they fit, and what they cost. MODEL is a name in bench/full-size/configs, or a config.json.

  --adapter NAME   gpu, lavapipe, swiftshader, or part of an adapter's name
  --dtype TYPE     storage of weight matrices: auto, f32, f16, q8 or q4; f32 unless told
  --folder DIR     keep the checkpoint there; a temporary folder otherwise
  --json FILE      also write the results as JSON
  --help           this text

Examples:
  npm run full-size -- smolvlm-256m clip-vit-l-14 siglip-so400m-patch14-384
  npm run full-size -- paligemma-3b-224 --dtype q4
`;

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const inMib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function readOptions(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        adapter: { type: 'string' },
        dtype: { type: 'string', default: 'f32' },
        folder: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See: npm run full-size -- --help`, { cause: error });
  }
}

async function readModel(model: string): Promise<unknown> {
  const known = (await readdir(CONFIGS)).map((file) => basename(file, '.json'));
  const path = known.includes(model) ? join(CONFIGS, `${model}.json`) : model;
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UsageError(
      `full-size: there is no model "${model}"; expected ${known.join(', ')}, or a config.json.`,
    );
  });
  return JSON.parse(text);
}

async function run(model: string, options: ReturnType<typeof readOptions>['values']) {
  const config = await readModel(model);
  const { root, shapes } = recordingScope();
  fullSizeGraphs(config, model, root, F32);
  const parameters = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'full-size-')));
  const device = await requestDevice({ adapter: options.adapter });
  try {
    await writeRandomCheckpoint(folder, config, shapes);
    const result = await measureFullSize(folder, config, device, options.dtype as DTypeChoice);
    console.log(
      `${model}: ${(parameters / 1e6).toFixed(0)} M parameters, ${result.dtype}, ${device.caps.adapterName}`,
    );
    console.log(`  load ${inSeconds(result.loadMs)}, weights ${inMib(result.weightBytes)} on the GPU`);
    console.log(
      `  at most ${inMib(result.peakGpuBytes)} on the GPU, ${inMib(result.peakRssBytes)} of the process`,
    );
    for (const { part, ms } of result.forward) console.log(`  ${part}: ${inSeconds(ms)}`);
    return { model, parameters, environment: readEnvironment(device), ...result };
  } finally {
    device.dispose();
    if (options.folder === undefined) await rm(folder, { recursive: true });
  }
}

async function main(args: string[]): Promise<void> {
  const { values, positionals } = readOptions(args);
  if (values.help) {
    console.log(HELP);
    return;
  }
  if (positionals.length === 0)
    throw new UsageError('full-size: which MODEL? See: npm run full-size -- --help');
  const results = [];
  for (const model of positionals) results.push(await run(model, values));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`full-size: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
