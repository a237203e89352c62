import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleProgram } from './bundle.ts';
import { numberedPicture } from './pictures.ts';
import { runWithKills } from './run-with-kills.ts';
import { findRedisServer, startRedis } from './start-redis.ts';

const HELP = `Usage: npm run batch-kills -- [options]

Embeds pictures with a tiny CLIP over workers that are killed at random, and checks that each has one result.

  --pictures N   default 2000
  --workers N    default 4
  --kills N      default 10
  --seed N       who is killed, and when; default 1
  --help         this text

Examples:
  npm run batch-kills
  npm run batch-kills -- --pictures 200 --workers 2 --kills 4
`;

const FOLDER = '.cache/batch-kills';
const LOCK_SECONDS = '10';

const { values } = parseArgs({
  options: {
    pictures: { type: 'string', default: '2000' },
    workers: { type: 'string', default: '4' },
    kills: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  const [pictures, workers, kills, seed] = [values.pictures, values.workers, values.kills, values.seed].map(
    Number,
  ) as [number, number, number, number];
  const command = findRedisServer();
  if (!command) throw new Error('batch-kills: redis-server is not installed. Run: .ci/install');
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(join(FOLDER, 'pictures'), { recursive: true });
  const names = Array.from({ length: pictures }, (_, i) => `${String(i).padStart(5, '0')}.png`);
  for (const [i, name] of names.entries())
    await writeFile(join(FOLDER, 'pictures', name), await numberedPicture(i));
  const program = await bundleProgram('src/cli/main.ts', join(FOLDER, 'tessera.mjs'));
  const redis = await startRedis(command);
  const output = join(FOLDER, 'results.jsonl');
  const startedMs = performance.now();
  try {
    const report = await runWithKills({
      worker: [program, 'worker', '--lock-seconds', LOCK_SECONDS],
      batch: [
        program,
        'batch',
        join(FOLDER, 'pictures'),
        '--task',
        'embed',
        '--model',
        'test/goldens/clip',
        '--output',
        output,
      ],
      env: { ...process.env, REDIS_URL: redis.url },
      output,
      pictures,
      workers,
      kills,
      seed,
      onKill: (finished) => console.log(`killed a worker when ${finished} were done`),
    });
    const seconds = (performance.now() - startedMs) / 1000;
    const lines = (await readFile(output, 'utf8')).trim().split('\n');
    const ids = lines.map((line) => (JSON.parse(line) as { readonly id: string }).id);
    const isWhole = ids.length === pictures && ids.every((id, i) => id === names[i]);
    console.log(report.log.trim());
    console.log(
      `${ids.length} results of ${pictures} pictures, ${new Set(ids).size} different; ${workers} workers, ` +
        `${report.kills} kills, ${seconds.toFixed(0)} s, exit code ${report.exitCode}`,
    );
    return isWhole && report.exitCode === 0 && report.kills === kills ? 0 : 1;
  } finally {
    await redis.stop();
  }
}

if (values.help) console.log(HELP);
else process.exitCode = await main();
