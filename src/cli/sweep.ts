import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InputError } from '../core/errors.ts';
import { checkSweepConfig, type SweepConfig } from '../train/ablation/sweep-config.ts';
import { defineCommand } from './command.ts';
import { modelOptions } from './model-options.ts';
import { showSweep } from './show-sweep.ts';
import { withDevice } from './train-sweep.ts';

export const sweepCommand = defineCommand({
  name: 'sweep',
  details: [
    'The file exports `sweep`, a SweepConfig: lists of encoders, projectors, poolings, decoders and losses, and how long each combination is trained. See docs/sweeps.md.',
    'Parameters, tokens, FLOPs and memory of each point are told before any is trained. Finished points are lines of results.jsonl in --out, and are not trained again; report.html has the table and plots.',
  ].join('\n\n'),
  operands: { usage: 'CONFIG.ts', min: 1, max: 1 },
  options: {
    out: { kind: 'text', value: 'DIR', help: 'folder of results; default sweep' },
    json: { kind: 'flag', help: 'results as JSON, one object a line' },
    adapter: modelOptions.adapter,
  },
  examples: ['tessera sweep examples/sweep.ts --out ./ablation', 'tessera sweep my-sweep.js --json'],
  async run(values, [file = ''], terminal) {
    const config = await readConfigFile(file);
    const folder = resolve(values.out ?? 'sweep');
    return withDevice(values, terminal, `tessera sweep ${file} --out ${folder}`, (device) =>
      showSweep({ device, config, folder, json: values.json }, terminal),
    );
  },
});

/** Runs the file, as a build tool runs its config. Throws InputError where it cannot be, ConfigError for what it exports. */
async function readConfigFile(file: string): Promise<SweepConfig> {
  const { href } = pathToFileURL(resolve(file));
  const module = await import(href).catch((cause: NodeJS.ErrnoException) => {
    const remedy =
      cause.code === 'ERR_UNKNOWN_FILE_EXTENSION'
        ? ' This Node does not run TypeScript: take Node 22.18 or newer, or write it as JavaScript.'
        : '';
    throw new InputError(`"${file}": cannot be run (${cause.message}); expected a module.${remedy}`, {
      cause,
    });
  });
  return checkSweepConfig((module as { readonly sweep?: unknown }).sweep, file);
}
