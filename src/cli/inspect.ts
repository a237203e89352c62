import { UnsupportedError } from '../core/errors.ts';
import { inspectDualEncoder } from '../embed/inspect.ts';
import { inspectModel, type TensorTotals, totalTensors } from '../generate/inspect.ts';
import { openModelFiles } from '../generate/model-files.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import type { Model } from '../models/model.ts';
import { createDualEncoder, createModel, isDualEncoder } from '../models/registry.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { defineCommand } from './command.ts';
import { formatDualEncoderReport, formatReport, formatTensors } from './inspect-report.ts';
import { modelSource } from './model-options.ts';

/** Tokens the memory is estimated for, where the model's context is not shorter. */
const DEFAULT_CONTEXT = 4096;

export const inspectCommand = defineCommand({
  name: 'inspect',
  details:
    'Reads headers and config alone: no weights, no GPU. Of a model_type that is not supported, the tensors are shown all the same.',
  operands: { usage: '[DIR|HUB_ID]', min: 0, max: 1 },
  options: {
    dtype: {
      kind: 'choice',
      choices: ['f32', 'f16', 'q8', 'q4'],
      help: 'storage of weight matrices that memory is estimated for; default f32',
    },
    context: {
      kind: 'integer',
      value: 'N',
      min: 1,
      help: `tokens of the KV cache that memory is estimated for; default ${DEFAULT_CONTEXT}, or the model's context where that is shorter`,
    },
    tensors: { kind: 'flag', help: 'list every tensor' },
    json: { kind: 'flag', help: 'everything as one JSON object' },
  },
  examples: [
    'tessera inspect',
    'tessera inspect ./llava-1.5-7b-hf --dtype f16 --context 2048',
    'tessera inspect ./some-model --tensors | grep lm_head',
  ],
  async run({ dtype = 'f32', context, tensors, json }, [source], { stdout, stderr, signal }) {
    const files = await openModelFiles(await modelSource(source, { stderr, signal }));
    const checkpoint = await openCheckpoint(files);
    try {
      const { index } = checkpoint;
      const model = await readModel(files);
      if (model instanceof UnsupportedError) {
        const totals = totalTensors(index);
        stdout.write(
          json
            ? `${JSON.stringify({ name: files.name, problem: model.message, ...totals })}\n`
            : lines([`model       ${files.name}`, ...formatTensors(totals)]),
        );
        stderr.write(`tessera: ${model.message}\n`);
        return 1;
      }
      if ('encodeText' in model) {
        const report = inspectDualEncoder(files.name, model, index, weightScope(index, files.name), dtype);
        if (json) stdout.write(`${JSON.stringify(report)}\n`);
        else stdout.write(lines([...formatDualEncoderReport(report), ...tensorLines(report, tensors)]));
        return 0;
      }
      const { maxPositionEmbeddings } = model.text;
      const report = inspectModel(files.name, model, index, weightScope(index, files.name), {
        dtype,
        contextTokens: Math.min(context ?? DEFAULT_CONTEXT, maxPositionEmbeddings),
      });
      if (json) stdout.write(`${JSON.stringify(report)}\n`);
      else stdout.write(lines([...formatReport(report), ...tensorLines(report, tensors)]));
      return 0;
    } finally {
      await checkpoint.close();
    }
  },
});

async function readModel(files: CheckpointFiles): Promise<Model | DualEncoder | UnsupportedError> {
  const config = await readJson(files, 'config.json');
  const where = `${files.name}: config.json`;
  try {
    return isDualEncoder(config, where) ? createDualEncoder(config, where) : createModel(config, where);
  } catch (error) {
    if (error instanceof UnsupportedError) return error;
    throw error;
  }
}

const tensorLines = (totals: TensorTotals, wanted: boolean): string[] =>
  wanted ? ['', ...formatTensors(totals)] : [];

const lines = (texts: readonly string[]): string => `${texts.join('\n')}\n`;
