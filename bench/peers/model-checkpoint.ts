import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { UsageError } from '../../src/cli/usage-error.ts';
import { readAssets } from '../../src/generate/checkpoint-assets.ts';
import { bucketOf } from '../../src/generate/decoder-inputs.ts';
import { buildDecoderGraph } from '../../src/generate/graphs.ts';
import { openModelFiles } from '../../src/generate/model-files.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { createModel } from '../../src/models/registry.ts';
import { recordingScope } from '../full-size/recording-scope.ts';
import { type ModelCase, PROMPT } from './model-case.ts';

/** The case of a checkpoint folder. Throws UsageError where it has no ONNX form beside its weights. */
export async function caseOfModel(path: string, decodedTokens: number): Promise<ModelCase> {
  const folder = resolve(path);
  if (!existsSync(join(folder, 'onnx/model.onnx')))
    throw new UsageError(
      `--model ${path}: there is no onnx/model.onnx for transformers.js. Make it by bench/peers/export-onnx.py.`,
    );
  const { tokenizer } = await readAssets(await openModelFiles(folder));
  const promptTokens = tokenizer.encode(PROMPT, { addSpecialTokens: true }).length;
  const name = basename(folder);
  return { op: 'model decode', folder, name, promptTokens, dtype: 'f32', reps: decodedTokens };
}

/** What Tessera dispatches for the prompt, or for one token: what costs are counted of. */
export async function modelGraph({ op, folder, dtype, promptTokens, reps }: ModelCase): Promise<Graph> {
  const model = createModel(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')), folder);
  const seq = op === 'model prefill' ? bucketOf(promptTokens) : 1;
  return buildDecoderGraph(
    model,
    recordingScope().root,
    { weights: dtype, activations: 'f32', kvCache: 'f32' },
    { seq, capacity: bucketOf(promptTokens + reps), imageRows: 0, spans: false, picker: 'greedy' },
  );
}
