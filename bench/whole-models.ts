import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WeightDType } from '../src/core/dtype.ts';
import { requestDevice } from '../src/device/request-device.ts';
import { loadModel } from '../src/generate/load-model.ts';
import { fullSizeGraphs, measureFullSize } from './full-size/measure.ts';
import { writeRandomCheckpoint } from './full-size/random-checkpoint.ts';
import { recordingScope } from './full-size/recording-scope.ts';
import { modelName } from './model-name.ts';
import { pictureMaker, questionFor } from './question.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** A whole model as a person meets it: loaded from its files, then asked. */
export interface ModelRow {
  readonly model: string;
  readonly dtype: WeightDType;
  readonly loadMs: number;
  /** Of the first answer, in pipelines that loading has warmed. */
  readonly coldFirstTokenMs: number;
  /** Of the answers after it, each about a picture that is new to the model. */
  readonly firstTokenMs: Spread;
  readonly tokensPerSecond: Spread;
  readonly dispatchesPerToken: number;
  readonly promptTokens: number;
  readonly answers: number;
  readonly peakGpuBytes: number;
  /** Most memory of this process so far, which on a CPU adapter holds the GPU's too. */
  readonly peakRssBytes: number;
}

/** Loads `folder` (the built-in model unless told) and asks it `answers` times after once to warm up. */
export async function measureModel(
  adapter: string,
  dtype: WeightDType,
  answers: number,
  folder?: string,
): Promise<ModelRow> {
  // A device of its own, whose memory nothing else has used.
  const device = await requestDevice({ adapter });
  const startedMs = performance.now();
  const model = await loadModel(folder, { device, dtype }).catch((error: unknown) => {
    device.dispose();
    throw error;
  });
  try {
    const loadMs = performance.now() - startedMs;
    const makePicture = await pictureMaker();
    const ask = async () => {
      const { images, ...question } = questionFor(model.model.vision !== undefined);
      return (await model.generate({ ...question, ...(images && { images: [makePicture()] }) })).stats;
    };
    const cold = await ask();
    const warm = [];
    for (let i = 0; i < answers; i++) warm.push(await ask());
    return {
      model: modelName(folder),
      dtype,
      loadMs,
      coldFirstTokenMs: cold.firstTokenMs,
      firstTokenMs: spreadOf(warm.map((stats) => stats.firstTokenMs)),
      tokensPerSecond: spreadOf(warm.map((stats) => stats.tokensPerSecond)),
      dispatchesPerToken: cold.dispatchesPerToken,
      promptTokens: cold.promptTokens,
      answers,
      peakGpuBytes: Math.max(...warm.map((stats) => stats.peakGpuBytes)),
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  } finally {
    model.dispose();
    device.dispose();
  }
}

/** A model of true size with random weights, part by part: it has no tokenizer, so nobody can ask it. */
export interface RandomModelRow {
  readonly model: string;
  readonly dtype: string;
  readonly loadMs: number;
  readonly forward: readonly { readonly part: string; readonly ms: number }[];
  readonly peakGpuBytes: number;
  readonly peakRssBytes: number;
}

/** `name` is one of bench/full-size/configs. */
export async function measureRandomModel(
  adapter: string,
  name: string,
  dtype: WeightDType,
): Promise<RandomModelRow> {
  const file = join(import.meta.dirname, 'full-size/configs', `${name}.json`);
  const config: unknown = JSON.parse(await readFile(file, 'utf8'));
  const { root, shapes } = recordingScope();
  fullSizeGraphs(config, name, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' });
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  const device = await requestDevice({ adapter });
  try {
    await writeRandomCheckpoint(folder, config, shapes);
    const result = await measureFullSize(folder, config, device, dtype);
    return { model: name, ...result };
  } finally {
    device.dispose();
    await rm(folder, { recursive: true });
  }
}
