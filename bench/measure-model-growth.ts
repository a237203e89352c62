import type { WeightDType } from '../src/core/dtype.ts';
import { requestDevice } from '../src/device/request-device.ts';
import type { GenerationStats } from '../src/generate/generation.ts';
import { loadModel } from '../src/generate/load-model.ts';
import type { GenerateOptions, VisionLanguageModel } from '../src/generate/vision-language-model.ts';
import { GROWTH_AXES, type GrowthAxis, type ModelGrowthRow } from './model-growth.ts';
import { modelName } from './model-name.ts';
import { pictureMaker, questionFor } from './question.ts';
import { spreadOf } from './statistics.ts';

const COUNTS: Readonly<Record<GrowthAxis, readonly number[]>> = {
  prompt: [16, 64, 256, 1024],
  pictures: [1, 2, 4],
  requests: [1, 2, 4, 8],
};

/** Answers that are timed at each point, after one that warms up. */
const ANSWERS = 3;

/** Every axis that the model has, each on a device of its own, whose memory nothing else has used. */
export async function measureModelGrowth(
  adapter: string,
  dtype: WeightDType,
  folder?: string,
  axes: readonly GrowthAxis[] = GROWTH_AXES,
): Promise<readonly ModelGrowthRow[]> {
  const rows: ModelGrowthRow[] = [];
  for (const axis of axes) {
    const device = await requestDevice({ adapter });
    try {
      const model = await loadModel(folder, { device, dtype });
      try {
        if (axis === 'pictures' && model.model.vision === undefined) continue;
        const ask = axis === 'requests' ? askTogether : askAlone;
        const { maxPositionEmbeddings } = model.model.text;
        const counts = COUNTS[axis].filter((one) => axis !== 'prompt' || 1.5 * one < maxPositionEmbeddings);
        for (const count of counts) {
          const name = modelName(folder);
          rows.push({ model: name, dtype, axis, count, ...(await ask(model, axis, count)) });
        }
      } finally {
        model.dispose();
      }
    } finally {
      device.dispose();
    }
  }
  return rows;
}

type Growth = Pick<ModelGrowthRow, 'promptTokens' | 'firstTokenMs' | 'tokensPerSecond' | 'peakGpuBytes'>;

async function askAlone(model: VisionLanguageModel, axis: GrowthAxis, count: number): Promise<Growth> {
  const makePicture = await pictureMaker();
  const question = (): GenerateOptions => ({
    ...questionFor(false),
    ...(axis === 'prompt'
      ? { prompt: 'the '.repeat(count) }
      : { prompt: 'Describe the images.', images: Array.from({ length: count }, makePicture) }),
  });
  await model.generate(question());
  const stats: GenerationStats[] = [];
  for (let i = 0; i < ANSWERS; i++) stats.push((await model.generate(question())).stats);
  return growthOf(
    stats,
    stats.map(({ tokensPerSecond }) => tokensPerSecond),
  );
}

async function askTogether(model: VisionLanguageModel, _axis: GrowthAxis, count: number): Promise<Growth> {
  const makePicture = await pictureMaker();
  const { prompt = '', maxNewTokens, seed } = questionFor(model.model.vision !== undefined);
  const text = { type: 'text' as const, text: prompt };
  const batch = await model.startBatch({ slots: count });
  const ask = (): Promise<GenerationStats[]> =>
    Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const content =
          model.model.vision === undefined
            ? [text]
            : [{ type: 'image' as const, image: makePicture() }, text];
        const messages = async () => [{ role: 'user' as const, content }];
        // Clients of their own, or equal prompts would share their pages.
        const request = { messages, client: `${i}`, temperature: 0, maxNewTokens, seed };
        return (await batch.answer(request, () => {})).stats;
      }),
    );
  try {
    await ask();
    const stats: GenerationStats[] = [];
    const speeds: number[] = [];
    for (let i = 0; i < ANSWERS; i++) {
      const startedMs = performance.now();
      const own = await ask();
      const tokens = own.reduce((sum, { generatedTokens }) => sum + generatedTokens, 0);
      speeds.push((1000 * tokens) / (performance.now() - startedMs));
      stats.push(...own);
    }
    return growthOf(stats, speeds);
  } finally {
    await batch.dispose();
  }
}

const growthOf = (stats: readonly GenerationStats[], speeds: readonly number[]): Growth => ({
  promptTokens: Math.max(...stats.map(({ promptTokens }) => promptTokens)),
  firstTokenMs: spreadOf(stats.map(({ firstTokenMs }) => firstTokenMs)),
  tokensPerSecond: spreadOf(speeds),
  peakGpuBytes: Math.max(...stats.map(({ peakGpuBytes }) => peakGpuBytes)),
});
