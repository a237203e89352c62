import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { createProgressLine } from '../src/cli/progress.ts';
import { UsageError } from '../src/cli/usage-error.ts';
import { requestDevice } from '../src/device/request-device.ts';
import { caseName } from './bench-case.ts';
import { kernelCases } from './cases.ts';
import { modelCases } from './model-cases.ts';
import { beyondLimit, formatHeading, formatLimits, formatRows } from './report.ts';
import { isServed, runBench } from './run-bench.ts';

const HELP = `Usage: npm run bench -- [options]

Measures what the adapter can do at best, then kernels and the built-in model's parts against that.

  --quick          fewer samples: about a minute on a CPU
  --adapter NAME   gpu, lavapipe, swiftshader, or part of an adapter's name
  --filter REGEX   only cases whose "op shape dtype" matches
  --json FILE      also write the report as JSON
  --help           this text

Examples:
  npm run bench -- --quick
  npm run bench -- --adapter lavapipe --filter "linear|matvec"
  npm run bench -- --filter "matmul 512x512x512 f32" --json matmul.json
`;

const SECONDS = { quick: 0.3, full: 2 };

function readOptions(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        adapter: { type: 'string' },
        filter: { type: 'string', default: '' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return { ...values, filter: new RegExp(values.filter, 'i') };
  } catch (error) {
    throw new UsageError(`${(error as Error).message} See: npm run bench -- --help`, { cause: error });
  }
}

async function main(args: string[]): Promise<void> {
  const { quick, adapter, filter, json, help } = readOptions(args);
  if (help) {
    console.log(HELP);
    return;
  }
  const wanted = [...kernelCases, ...modelCases].filter((one) => filter.test(caseName(one)));
  if (wanted.length === 0) throw new UsageError(`--filter ${filter.source} matches no case.`);
  const device = await requestDevice({ adapter });
  try {
    const progress = createProgressLine(process.stderr);
    const served = wanted.filter((one) => isServed(one, device));
    const maxSeconds = quick ? SECONDS.quick : SECONDS.full;
    const report = await runBench(device, served, { maxSeconds }, (what) => progress.show(what));
    progress.clear();
    const { limits, rows } = report;
    const parts = [formatHeading(report), formatLimits(limits), formatRows(rows)];
    console.log(parts.map((lines) => lines.join('\n')).join('\n\n'));
    const left = wanted.length - served.length;
    if (left > 0) console.log(`\n${left} f16 cases left out: ${report.adapter} has no shader-f16.`);
    for (const { op, shape, dtype } of beyondLimit(rows))
      console.error(
        `bench: ${op} ${shape} ${dtype} is beyond the measured limit: do not trust its fraction.`,
      );
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    device.dispose();
  }
}

await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
