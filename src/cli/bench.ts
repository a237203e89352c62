import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UnsupportedError } from '../core/errors.ts';
import { defineCommand, type OptionValues, type Terminal } from './command.ts';

export const benchOptions = {
  quick: {
    kind: 'flag',
    help: 'one shape of each kernel and fewer samples: minutes instead of an hour on a CPU',
  },
  adapter: { kind: 'text', value: 'NAME', help: "gpu, lavapipe, swiftshader, or part of an adapter's name" },
  filter: {
    kind: 'text',
    value: 'REGEX',
    help: 'only cases whose "op shape dtype" matches; models are "model NAME"',
  },
  model: {
    kind: 'texts',
    value: 'DIR',
    help: 'also time a whole model of your own, with --peers beside transformers.js; may be repeated',
  },
  peers: {
    kind: 'flag',
    help: 'other WebGPU engines side by side instead, in the same run; installs them into the cache folder (600 MB) the first time',
  },
  browser: {
    kind: 'flag',
    help: 'with --peers: all of them in Chromium, Tessera too, instead of only those made for pages',
  },
  json: { kind: 'text', value: 'FILE', help: 'also write the report as JSON' },
  html: { kind: 'text', value: 'FILE', help: 'also write it as a page, with the history in bench/results' },
  markdown: { kind: 'text', value: 'FILE', help: 'also write its table as Markdown' },
  from: {
    kind: 'text',
    value: 'FILE',
    help: 'write --html and --markdown of a report that --json wrote; measures nothing',
  },
  compare: {
    kind: 'flag',
    help: 'compare two reports that --json wrote; exit code 1 where a row got slower',
  },
} as const;

export type BenchOptions = OptionValues<typeof benchOptions>;

/** What bench/main.ts exports. */
interface BenchModule {
  bench(options: BenchOptions, operands: readonly string[], terminal: Terminal): Promise<number>;
}

export const benchCommand = defineCommand({
  name: 'bench',
  details:
    'Measures what the adapter can do at best, then kernels, blocks and whole models against that. Needs a checkout of the repository: the published package has no bench. On a machine that does other work, no number means anything.',
  operands: { usage: '[BEFORE.json AFTER.json]', min: 0, max: 2 },
  options: benchOptions,
  examples: [
    'tessera bench --quick',
    'tessera bench --adapter lavapipe --filter "linear|matvec"',
    'tessera bench --filter "matmul 512x512x512 f32" --json matmul.json',
    'tessera bench --quick --peers --adapter lavapipe --json peers.json',
    'tessera bench --quick --peers --adapter lavapipe --model ./smollm2 --filter model',
    'tessera bench --from peers.json --html peers.html --markdown peers.md',
    'tessera bench --compare before.json after.json',
    'tessera bench --model ./SmolLM2-135M-Instruct --filter SmolLM2',
  ],
  async run(options, operands, terminal) {
    const { bench } = await importBench();
    return bench(options, operands, terminal);
  },
});

/** The bench of the checkout that this file is in, source or built. Throws UnsupportedError in the published package. */
async function importBench(): Promise<BenchModule> {
  const file = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
  if (!existsSync(file)) {
    throw new UnsupportedError(
      'bench: the published package holds no bench; expected a checkout of the repository. ' +
        'Clone it, then: npm install && npm run bench',
    );
  }
  // A checkout has tsx; it reads TypeScript also where this program was built before.
  const loader: string = 'tsx/esm/api';
  const { register } = (await import(loader)) as { register(): void };
  register();
  return (await import(pathToFileURL(file).href)) as BenchModule;
}
