import type { WeightDType } from '../core/dtype.ts';
import { InputError, UnsupportedError } from '../core/errors.ts';
import { inspectDualEncoder } from '../embed/inspect.ts';
import { readAssets } from '../generate/checkpoint-assets.ts';
import { BASELINE, inspectModel, type TensorTotals, totalTensors } from '../generate/inspect.ts';
import { openModelFiles } from '../generate/model-files.ts';
import { choosePrecision } from '../generate/precision.ts';
import { type VideoCost, type VideoCostRequest, videoCost } from '../generate/video-cost.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import type { Model } from '../models/model.ts';
import { createDualEncoder, createModel, isDualEncoder } from '../models/registry.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { defineCommand } from './command.ts';
import { formatDualEncoderReport, formatReport, formatTensors } from './inspect-report.ts';
import { modelSource } from './model-options.ts';
import { UsageError } from './usage-error.ts';
import { parsePooling, videoOptions } from './video-options.ts';
import { formatVideoCost, videoProblem } from './video-report.ts';

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
    video: {
      kind: 'integer',
      value: 'N',
      min: 1,
      help: 'what a video of N frames takes: tokens, FLOPs and memory; fails where it does not fit the context',
    },
    pool: {
      ...videoOptions.pool,
      help: 'with --video, the same after pooling: mean:4, max, stride:2, attention:8',
    },
    tensors: { kind: 'flag', help: 'list every tensor' },
    json: { kind: 'flag', help: 'everything as one JSON object' },
  },
  examples: [
    'tessera inspect',
    'tessera inspect ./llava-1.5-7b-hf --dtype f16 --context 2048',
    'tessera inspect ./llava-1.5-7b-hf --video 64 --pool mean:10',
    'tessera inspect ./some-model --tensors | grep lm_head',
  ],
  async run({ dtype = 'f32', context, video, pool, tensors, json }, [source], terminal) {
    const { stdout, stderr, signal } = terminal;
    if (pool !== undefined && video === undefined) {
      throw new UsageError('inspect: --pool says how a video is pooled; expected --video N with it.');
    }
    const pooling = pool === undefined ? undefined : parsePooling(pool);
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
      const frames = video === undefined ? undefined : { frames: video, pooling, contextTokens: context };
      const cost = frames && (await costOfVideo(files, index, dtype, frames));
      const report = inspectModel(files.name, model, index, weightScope(index, files.name), {
        dtype,
        contextTokens: Math.min(context ?? DEFAULT_CONTEXT, maxPositionEmbeddings),
      });
      if (json) stdout.write(`${JSON.stringify(cost ? { ...report, video: cost } : report)}\n`);
      else {
        const videoLines = cost ? ['', ...formatVideoCost(cost)] : [];
        stdout.write(lines([...formatReport(report), ...videoLines, ...tensorLines(report, tensors)]));
      }
      const problem = cost && videoProblem(cost);
      if (problem !== undefined) stderr.write(`tessera: ${problem}\n`);
      return problem === undefined ? 0 : 1;
    } finally {
      await checkpoint.close();
    }
  },
});

/** Throws InputError for a model that sees nothing. */
async function costOfVideo(
  files: CheckpointFiles,
  index: TensorIndex,
  dtype: WeightDType,
  request: VideoCostRequest,
): Promise<VideoCost> {
  const { model, createProcessor } = await readAssets(files);
  if (!createProcessor) {
    throw new InputError(
      `inspect: ${model.modelType} is a language model, which takes no videos; expected a vision language model.`,
    );
  }
  const weights = weightScope(index, files.name);
  const precision = choosePrecision(dtype, BASELINE, index);
  return videoCost({ model, weights, precision, processor: createProcessor() }, request);
}

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
