import { formatShape } from '../core/shape.ts';
import { openModelFiles } from '../generate/model-files.ts';
import type { StageResult } from '../verify/stage-result.ts';
import { verifyCheckpoint } from '../verify/verify.ts';
import { defineCommand } from './command.ts';
import { modelOptions, modelSource } from './model-options.ts';
import { createProgressLine } from './progress.ts';
import { formatTable } from './table.ts';

export const verifyCommand = defineCommand({
  name: 'verify',
  details:
    'DIR is a checkpoint with reference.json and reference.safetensors beside it: what the official implementation computed at each stage. Each stage is fed the recorded inputs, so that the first line that fails is the stage at fault. Errors are relative to the RMS of the recorded values. Exit code 1 beyond tolerance.',
  operands: { usage: 'DIR', min: 1, max: 1 },
  options: {
    adapter: modelOptions.adapter,
    dtype: { ...modelOptions.dtype, help: 'storage of weight matrices; default f32' },
    tolerance: {
      kind: 'number',
      value: 'X',
      min: 0,
      help: 'largest error relative to RMS that passes; default 1e-3 for f32, 1e-2 for f16, 0.1 for q8, 1 for q4',
    },
    json: { kind: 'flag', help: 'one JSON object per stage, and a last one with the verdict' },
  },
  examples: ['tessera verify ./llava-tiny', 'tessera verify ./llava-tiny --dtype f16 --tolerance 5e-3'],
  async run({ adapter, dtype, tolerance, json }, [folder], { stdout, stderr, signal }) {
    const files = await openModelFiles(await modelSource(folder, { stderr, signal }));
    const progress = createProgressLine(stderr);
    const results: StageResult[] = [];
    for await (const result of verifyCheckpoint(files, { adapter, dtype, tolerance })) {
      signal.throwIfAborted();
      results.push(result);
      if (json) stdout.write(`${JSON.stringify(result)}\n`);
      progress.show(`${result.run} ${result.stage}`);
    }
    progress.clear();
    const ok = results.length > 0 && results.every((result) => result.ok);
    if (json) stdout.write(`${JSON.stringify({ ok, verdict: formatVerdict(results) })}\n`);
    else stdout.write(`${[...formatResults(results), '', formatVerdict(results)].join('\n')}\n`);
    return ok ? 0 : 1;
  },
});

/** The table of `tessera verify`, a header and a line per stage. */
export function formatResults(results: readonly StageResult[]): string[] {
  const header = ['run', 'stage', 'shape', 'max abs error', 'relative to RMS', 'tokens equal', '', ''];
  const rows = results.map((result) => [
    result.run,
    result.stage,
    formatShape(result.shape),
    result.tokens ? '' : result.maxAbsError.toExponential(2),
    result.tokens ? '' : result.relativeError.toExponential(2),
    result.tokens ? `${result.tokens.equal}/${result.tokens.total}` : '',
    result.ok ? 'ok' : 'FAIL',
    result.note ?? '',
  ]);
  return formatTable([header, ...rows], ['left', 'left', 'left', 'right', 'right', 'right']);
}

/** One line that says whether all is well, and where it first is not. */
export function formatVerdict(results: readonly StageResult[]): string {
  const failed = results.filter((result) => !result.ok);
  const [first] = failed;
  if (results.length === 0) return 'FAIL: the reference records nothing to compare.';
  if (!first) return `ok: ${results.length} stages within tolerance.`;
  return `FAIL: ${failed.length} of ${results.length} stages; the first divergence is ${describeFailure(first)}.`;
}

function describeFailure({ run, stage, tokens, relativeError, tolerance }: StageResult): string {
  const where = `"${stage}" of run "${run}"`;
  if (tokens) return `${where}, at token ${tokens.firstDivergence ?? tokens.total} of ${tokens.total}`;
  return `${where}: ${relativeError.toExponential(2)} relative to RMS, tolerance ${tolerance.toExponential(2)}`;
}
