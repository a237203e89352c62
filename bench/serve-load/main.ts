import { parseArgs } from 'node:util';
import { UsageError } from '../../src/cli/usage-error.ts';
import { type Growth, gpuBytesOf, grows, growthOf, sampleMemory } from './memory.ts';
import { createQuestions, MIXES, type Mix } from './questions.ts';
import { joinResults, type Load, type LoadResult, runLoad } from './run-load.ts';
import { type ServerProcess, startServer } from './start-server.ts';

const HELP = `Usage: npm run serve-load -- [options]

Starts "tessera serve" with the built-in model twice, one that answers a request at a time (--slots 1) and one that answers
in batches, and lets clients of OpenAI ask as fast as they are answered: short and long questions of text, questions about
pictures that were never seen lately, and a mix of both with a few pictures that come again and again. Each is asked of
either server by turns, so that what else the machine does falls on both; then the mix is asked of the batching one alone
for a longer time, for errors and memory. Picture answers are compared with the reference's, others with the first given.
Ends with 1 for any error but 429, any answer unlike that, and for memory that grows.

  --clients N      default 32
  --seconds N      of the long part; default 30, 0 for none
  --serial N       seconds of each mix on each server; default 20, 0 for none
  --slots N        requests answered at once; default 16
  --waiting N      requests that may wait; default 12, so that some get 429
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
        serial: number('20'),
        slots: number('16'),
        waiting: number('12'),
        adapter: { type: 'string', default: 'lavapipe' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See: npm run serve-load -- --help`, { cause: error });
  }
}

/** Not counted: until then the servers compile what their first requests need. */
const WARM_UP_SECONDS = 10;
/** Turns that each server gets with each mix. */
const TURNS = 2;
const MEBI = 2 ** 20;

const mebi = (bytes: number): string => (bytes / MEBI).toFixed(1);

function print(label: string, result: LoadResult): void {
  const { seconds, cpuSeconds, answered, refused, wrong, errors, tokens, latencies } = result;
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(2);
  const reused = Math.round((100 * result.reusedTokens) / result.promptTokens);
  console.log(
    [
      `${label}: ${answered} answers in ${seconds.toFixed(0)} s, ${(tokens / seconds).toFixed(1)} tokens/s, ` +
        `${(answered / seconds).toFixed(2)} answers/s, ${((1000 * cpuSeconds) / answered).toFixed(1)} ms of processor each`,
      `  seconds per answer: median ${at(0.5)}, p90 ${at(0.9)}, longest ${at(1)}; prompt tokens from the cache: ${reused} %`,
      `  429: ${refused}; other errors: ${errors.length}; unexpected answers: ${wrong.length}`,
      ...[...new Set([...errors, ...wrong])].slice(0, 5).map((text) => `  ${text}`),
    ].join('\n'),
  );
}

function printGrowth(label: string, { thirds, bytesPerMinute }: Growth): void {
  const perMinute = `${bytesPerMinute < 0 ? '' : '+'}${mebi(bytesPerMinute)}`;
  console.log(
    `  ${label}: highest in each third ${thirds.map(mebi).join(', ')} MiB; trend ${perMinute} MiB a minute`,
  );
}

interface Servers {
  readonly alone: ServerProcess;
  readonly together: ServerProcess;
}

/** Either server by turns. */
async function compareServers(
  { alone, together }: Servers,
  load: Omit<Load, 'url' | 'mix' | 'seconds' | 'first'>,
  serial: number,
): Promise<readonly LoadResult[]> {
  const results: LoadResult[] = [];
  for (const mix of MIXES) {
    const parts: { alone: LoadResult[]; together: LoadResult[] } = { alone: [], together: [] };
    let first = 0;
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [key, { url }] of [['alone', alone] as const, ['together', together] as const]) {
        const part = await runLoad({ ...load, url, mix, seconds: serial / TURNS, first });
        parts[key].push(part);
        // So that what one server saw is not asked of it again.
        first += 100 * Math.ceil((part.answered + part.refused) / 100) + load.clients;
      }
    }
    const [one, many] = [joinResults(parts.alone), joinResults(parts.together)];
    print(`${mix}, one at a time`, one);
    print(`${mix}, in batches`, many);
    const ratio = (of: (result: LoadResult) => number): string => (of(many) / of(one)).toFixed(2);
    console.log(
      `${mix}: batching answers ${ratio(({ answered, seconds }) => answered / seconds)} times as many a second ` +
        `(${ratio(({ tokens, seconds }) => tokens / seconds)} times the tokens), ` +
        `${ratio(({ answered, cpuSeconds }) => answered / cpuSeconds)} times as many per second of processor time\n`,
    );
    results.push(one, many);
  }
  return results;
}

/** A round of pictures, and how often one is asked for at most. */
const FILL_SECONDS = 10;
const FILL_ROUNDS = 12;

/** Features of pictures are kept up to a bound: until it is reached, memory grows as it should. */
async function fillCaches(url: string, load: Omit<Load, 'url' | 'mix' | 'seconds' | 'first'>) {
  let before = await gpuBytesOf(url);
  let first = 0;
  for (let round = 0; round < FILL_ROUNDS; round++) {
    const { answered, refused } = await runLoad({
      ...load,
      url,
      mix: 'pictures',
      seconds: FILL_SECONDS,
      first,
    });
    first += answered + refused;
    const now = await gpuBytesOf(url);
    if (now - before < MEBI) return;
    before = now;
  }
}

/** The mix for a longer time, with memory. */
async function runLong(
  { url }: ServerProcess,
  load: Omit<Load, 'url' | 'mix' | 'seconds' | 'first'>,
  seconds: number,
): Promise<{ readonly result: LoadResult; readonly growing: readonly string[] }> {
  await fillCaches(url, load);
  const samples = sampleMemory(url, performance.now() + seconds * 1000);
  const result = await runLoad({ ...load, url, mix: 'mix', seconds, first: 0 });
  print(`mix, in batches, ${load.clients} clients`, result);
  const growing: string[] = [];
  for (const [of, label] of [
    ['resident', 'resident memory'],
    ['heap', 'heap of JavaScript'],
    ['gpu', 'GPU buffers'],
  ] as const) {
    const growth = growthOf(await samples, of);
    printGrowth(label, growth);
    // The heap is collected when V8 likes; what it takes for good is resident.
    if (of !== 'heap' && grows(growth)) growing.push(label);
  }
  for (const label of growing) console.log(`  ${label} grows`);
  return { result, growing };
}

async function main(args: string[]): Promise<void> {
  const values = readOptions(args);
  if (values.help) return console.log(HELP);
  const number = (name: 'clients' | 'seconds' | 'serial' | 'slots' | 'waiting'): number =>
    Number(values[name]);
  const [question, known] = [await createQuestions(), new Map<string, string>()];
  const load = { question, known, clients: number('clients') };
  const start = (slots: number): Promise<ServerProcess> =>
    startServer([
      ...['--adapter', values.adapter, '--context', '256'],
      ...['--slots', `${slots}`, '--max-waiting', `${number('waiting')}`],
    ]);
  const results: LoadResult[] = [];
  const warmUp = async ({ url }: ServerProcess): Promise<void> => {
    // From the other end of the questions.
    const options = { url, seconds: WARM_UP_SECONDS / MIXES.length, first: 1000 };
    for (const mix of MIXES satisfies readonly Mix[])
      results.push(await runLoad({ ...load, ...options, mix }));
  };
  let growing: readonly string[] = [];
  const together = await start(number('slots'));
  try {
    await warmUp(together);
    if (number('serial') > 0) {
      const alone = await start(1);
      try {
        await warmUp(alone);
        results.push(...(await compareServers({ alone, together }, load, number('serial'))));
      } finally {
        await alone.stop();
      }
    }
    if (number('seconds') > 0) {
      const long = await runLong(together, load, number('seconds'));
      results.push(long.result);
      growing = long.growing;
    }
  } finally {
    await together.stop();
  }
  const failed = results.some(({ errors, wrong }) => errors.length + wrong.length > 0);
  if (failed || growing.length > 0) process.exitCode = 1;
}

await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
