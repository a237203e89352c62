import { readFile } from 'node:fs/promises';
import type { BenchOptions } from '../src/cli/bench.ts';
import type { Terminal } from '../src/cli/command.ts';
import { createProgressLine } from '../src/cli/progress.ts';
import { UsageError } from '../src/cli/usage-error.ts';
import { requestDevice } from '../src/device/request-device.ts';
import { caseName } from './bench-case.ts';
import { blockCases, growthCases, quickBlockCases } from './block-cases.ts';
import { distinct, kernelCases, quickKernelCases } from './cases.ts';
import { imageCases, imageName } from './image-cases.ts';
import { modelCases } from './model-cases.ts';
import { modelName } from './model-name.ts';
import { benchPeers } from './peers/bench-peers.ts';
import { readFilter } from './read-filter.ts';
import { beyondLimit, formatReport } from './report.ts';
import { compareFiles, writeReports } from './report-files.ts';
import { type BenchWork, isServed, runBench } from './run-bench.ts';

const SECONDS = { quick: 0.3, full: 1 };
const ANSWERS = { quick: 3, full: 9 };
const START_ROUNDS = { quick: 1, full: 3 };
const RANDOM_MODEL = 'smolvlm-256m';

function chooseWork({ quick, filter: pattern = '', model: models }: BenchOptions): BenchWork {
  const filter = readFilter(pattern);
  const cases = quick
    ? [...quickKernelCases, ...quickBlockCases, ...modelCases]
    : [...kernelCases, ...blockCases, ...growthCases, ...modelCases];
  const wants = (model: string): boolean => filter.test(`model ${model}`);
  const work = {
    cases: distinct(cases).filter((one) => filter.test(caseName(one))),
    models: [undefined, ...models].filter((one) => wants(modelName(one))),
    growing: quick
      ? []
      : [undefined, ...models].filter((one) => filter.test(`growth of model ${modelName(one)}`)),
    randomModels: !quick && wants(RANDOM_MODEL) ? [RANDOM_MODEL] : [],
    images: imageCases.filter((one) => filter.test(imageName(one))),
    starts: [undefined, ...models].filter((one) => filter.test(`start ${modelName(one)}`)),
    startRounds: quick ? START_ROUNDS.quick : START_ROUNDS.full,
    timeline: wants('built-in'),
    answers: quick ? ANSWERS.quick : ANSWERS.full,
  };
  const { cases: chosen, models: whole, growing, randomModels, images, starts } = work;
  if ([chosen, whole, growing, randomModels, images, starts].every(({ length }) => length === 0))
    throw new UsageError(`--filter ${filter.source} matches no case.`);
  return work;
}

/** The command `tessera bench`: gives its exit code. */
export async function bench(
  options: BenchOptions,
  operands: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { stdout, stderr } = terminal;
  if (options.compare) return compareFiles(operands, stdout);
  if (operands.length > 0)
    throw new UsageError(`bench: "${operands[0]}" is too much; files belong to --compare.`);
  if (options.from !== undefined) return writeReports(await readFile(options.from, 'utf8'), options, stdout);
  if (options.peers) return benchPeers(options, terminal);
  const work = chooseWork(options);
  const device = await requestDevice({ adapter: options.adapter });
  try {
    const progress = createProgressLine(stderr);
    const served = work.cases.filter((one) => isServed(one, device));
    const maxSeconds = options.quick ? SECONDS.quick : SECONDS.full;
    const report = await runBench(device, { ...work, cases: served }, { maxSeconds }, progress.show).finally(
      progress.clear,
    );
    stdout.write(`${formatReport(report)}\n`);
    const left = work.cases.length - served.length;
    if (left > 0) stdout.write(`\n${left} f16 cases left out: ${report.adapter} has no shader-f16.\n`);
    for (const { op, shape, dtype } of beyondLimit(report.rows))
      stderr.write(
        `bench: ${op} ${shape} ${dtype} is beyond the measured limit: do not trust its fraction.\n`,
      );
    await writeReports(JSON.stringify(report, null, 2), options, stdout);
    return report.failures.length > 0 ? 1 : 0;
  } finally {
    device.dispose();
  }
}
