import { parseArgs } from 'node:util';
import { UsageError } from '../../src/cli/usage-error.ts';
import { type LoadResult, runLoad } from './run-load.ts';
import { startServer } from './start-server.ts';

const HELP = `Usage: npm run serve-load -- [options]

Starts "tessera serve" with the built-in model and lets clients of OpenAI ask it about the example pictures, as fast as they
are answered: first one request at a time (--slots 1), then in batches, in one run. Every answer is compared with the
reference's. Prints requests, errors, tokens per second and memory of both, and the ratio.

  --clients N      default 32
  --seconds N      of the batched part; default 30
  --serial N       seconds of the part with one at a time; default 30
  --slots N        requests answered at once; default 16
  --waiting N      requests that may wait; default 24, so that some get 429
  --adapter NAME   default lavapipe
  --help           this text

Examples:
  npm run serve-load -- --seconds 20 --serial 20
  npm run serve-load -- --seconds 300 --serial 60
`;

function readOptions(args: string[]) {
  try {
    const number = (value: string): { type: 'string'; default: string } => ({
      type: 'string',
      default: value,
    });
    return parseArgs({
      args,
      options: {
        clients: number('32'),
        seconds: number('30'),
        serial: number('30'),
        slots: number('16'),
        waiting: number('24'),
        adapter: { type: 'string', default: 'lavapipe' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See: npm run serve-load -- --help`, { cause: error });
  }
}

const MEBI = 2 ** 20;

function print(label: string, result: LoadResult): void {
  const { seconds, answered, refused, wrong, errors, tokens, latencies, memory } = result;
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(2);
  const mebi = (bytes: number): string => (bytes / MEBI).toFixed(1);
  console.log(
    [
      `${label}: ${answered} answers in ${seconds.toFixed(0)} s, ${(tokens / seconds).toFixed(1)} tokens/s, ` +
        `${(answered / seconds).toFixed(2)} answers/s`,
      `  429: ${refused}; other errors: ${errors.length}; answers unlike the reference's: ${wrong.length}`,
      `  seconds per answer: median ${at(0.5)}, p90 ${at(0.9)}, longest ${at(1)}`,
      `  resident memory: ${mebi(memory.early)} MiB in the second quarter, ${mebi(memory.late)} in the last; ` +
        `GPU buffers: ${mebi(memory.gpuEarly)} and ${mebi(memory.gpuLate)} MiB`,
      ...[...new Set([...errors, ...wrong])].slice(0, 5).map((text) => `  ${text}`),
    ].join('\n'),
  );
}

async function main(args: string[]): Promise<void> {
  const values = readOptions(args);
  if (values.help) return console.log(HELP);
  const { clients, seconds, serial, slots, waiting } = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Number(value)]),
  ) as Readonly<Record<string, number>>;
  const part = async (label: string, slotCount: number, duration: number): Promise<LoadResult> => {
    const options = ['--slots', `${slotCount}`, '--max-waiting', `${waiting}`];
    const server = await startServer(['--adapter', values.adapter, '--context', '192', ...options]);
    try {
      const result = await runLoad(server.url, clients ?? 1, duration);
      print(label, result);
      return result;
    } finally {
      await server.stop();
    }
  };
  const alone = await part('one at a time', 1, serial ?? 0);
  const together = await part(`batches of up to ${slots}`, slots ?? 1, seconds ?? 0);
  const speed = ({ tokens, seconds: time }: LoadResult): number => tokens / time;
  console.log(`batching: ${(speed(together) / speed(alone)).toFixed(2)} times the tokens per second`);
  if (alone.errors.length + together.errors.length + alone.wrong.length + together.wrong.length > 0)
    process.exitCode = 1;
}

await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
