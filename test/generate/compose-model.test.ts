import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigError, UnsupportedError, WeightError } from '../../src/core/errors.ts';
import { type ComposeOptions, composeModel } from '../../src/generate/compose-model.ts';
import { buildTileGraph } from '../../src/generate/graphs.ts';
import { newWeights } from '../../src/generate/new-weights.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { parseImageProcessor } from '../../src/image/image-processor.ts';
import { loadPicture } from '../../src/image/load-picture.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { decoderWeights, towerWeights } from '../../src/models/compose/part-weights.ts';
import { projectors } from '../../src/models/compose/projectors.ts';
import type { Model } from '../../src/models/model.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { interpretDecoder } from '../models/golden.ts';
import { floats } from '../models/part.ts';
import { CLIP_CONFIG, DECODER_CONFIGS } from '../models/tiny-parts.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';

const golden = (name: string): string => fileURLToPath(goldenPath(name));
const SCENE = 'examples/scene-02.png';
const DEMO = 'models/demo';
const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

/** Greedy ids of CLIP, the C-Abstractor of seed 3 and Llama 3 about the scene, by the f64 interpreter. */
async function exactAnswer(model: Model, promptIds: readonly number[], count: number): Promise<number[]> {
  const opened = await Promise.all(
    ['clip', 'llama3_text'].map(async (name) => openCheckpoint(await folderFiles(golden(name)))),
  );
  const [clip, llama] = opened.map(({ index }) => index);
  if (!clip || !llama) throw new Error('two checkpoints are open');
  const index = new Map([
    ...[...towerWeights(clip, 'clip')].filter(([, { dtype }]) => dtype !== 'I64'),
    ...decoderWeights(llama, 'llama3_text'),
    ...newWeights(model, ['projector'], 3),
  ]);
  const weights: Record<string, Float32Array> = {};
  for (const name of index.keys()) weights[name] = await floats(index, name);
  await Promise.all(opened.map((checkpoint) => checkpoint.close()));

  const root = weightScope(index, 'composed');
  const image = parseImageProcessor(readGoldenJson('clip/preprocessor_config.json'));
  const { pixelValues } = preprocess(await loadPicture(SCENE), image);
  const layout = model.vision?.typicalLayout;
  if (!layout) throw new Error('no tower');
  const vision = interpret(buildTileGraph(model, root, F32, layout.tile), { ...weights, pixelValues });
  const features = Float32Array.from(vision.outputs.get('tileFeatures') ?? []);
  const ids = [...promptIds];
  while (ids.length < promptIds.length + count) {
    const { named } = interpretDecoder({ model, root, precision: F32, weights, ids, features });
    const logits = named.get('logits') ?? new Float64Array();
    const last = [...logits.subarray(logits.length - model.text.vocabSize)];
    ids.push(last.indexOf(Math.max(...last)));
  }
  return ids.slice(promptIds.length);
}

describeOnAdapters('composeModel', (getDevice) => {
  let model: VisionLanguageModel | undefined;
  afterEach(() => {
    model?.dispose();
    model = undefined;
  });
  const compose = async (options: Omit<ComposeOptions, 'device'>): Promise<VisionLanguageModel> => {
    model?.dispose();
    model = await composeModel({ ...options, device: getDevice() });
    return model;
  };

  test('the parts of the built-in model answer as it does', async () => {
    const { question, answer, promptIds, answerIds } = expectedAnswer('scene-02.png', 'Describe the image.');
    const parts = { encoder: DEMO, projector: projectors.mlp(), projectorWeights: DEMO, decoder: DEMO };
    const whole = await compose({ ...parts, dtype: 'f32' });
    expect(whole.unusedTensors).toEqual([]);
    const result = await whole.describe(SCENE, { prompt: question, greedy: true });
    expect(result.promptTokenIds).toEqual(promptIds);
    expect(result.tokenIds).toEqual(answerIds);
    expect(result.text).toBe(answer);
  });

  describe('CLIP, a new C-Abstractor and Llama 3', () => {
    const parts: Omit<ComposeOptions, 'device'> = {
      encoder: golden('clip'),
      projector: projectors.cAbstractor({ tokens: 6, hiddenSize: 16 }),
      decoder: golden('llama3_text'),
      seed: 3,
      dtype: 'f32',
    };
    const question = { prompt: 'What is this?', images: [SCENE], greedy: true, maxNewTokens: 5 } as const;

    test('answers what the f64 interpreter does', async () => {
      const whole = await compose(parts);
      expect(whole.model.modelType).toBe('clip+c-abstractor+llama');
      const { tokenIds, promptTokenIds } = await whole.generate(question);
      const imageTokenId = whole.model.vision?.imageTokenId ?? Number.NaN;
      // The first id beyond the vocabulary of 448, which has no such token.
      expect(imageTokenId).toBe(448);
      expect(promptTokenIds.filter((id) => id === imageTokenId)).toHaveLength(6);
      expect(promptTokenIds[0]).toBe(420); // The template's BOS, once.
      expect(promptTokenIds.filter((id) => id === 420)).toHaveLength(1);
      expect(tokenIds).toEqual(await exactAnswer(whole.model, promptTokenIds, tokenIds.length));
    });

    test('a seed is a model', async () => {
      const answers: (readonly number[])[] = [];
      const sampled = { greedy: false, temperature: 1, repetitionPenalty: 1.2, seed: 9, maxNewTokens: 12 };
      for (const seed of [3, 3, 4]) {
        const whole = await compose({ ...parts, seed });
        answers.push((await whole.generate({ ...question, ...sampled })).tokenIds);
      }
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[2]).not.toEqual(answers[0]);
    });
  });

  test('parts that are all new answer in the tokens of a checkpoint', async () => {
    const liveBytes = getDevice().memory.liveBytes;
    const whole = await compose({
      encoder: { config: CLIP_CONFIG },
      projector: projectors.resampler({ tokens: 4, depth: 1, numAttentionHeads: 4, headDim: 8 }),
      decoder: { config: { ...DECODER_CONFIGS.qwen2, vocab_size: 448 }, tokenizer: golden('llama3_text') },
      imageToken: '<|reserved_special_token_0|>',
    });
    const { promptTokenIds, tokenIds } = await whole.describe(SCENE, { greedy: true, maxNewTokens: 4 });
    const imageTokenId = whole.model.vision?.imageTokenId;
    expect(promptTokenIds.filter((id) => id === imageTokenId)).toHaveLength(4);
    expect(tokenIds).toHaveLength(4);
    whole.dispose();
    expect(getDevice().memory.liveBytes).toBe(liveBytes);
  });

  test.each<[string, Partial<ComposeOptions>, new (message: string) => Error, RegExp]>([
    [
      'a text model as encoder',
      { encoder: golden('llama3_text') },
      UnsupportedError,
      /"llama" is no vision tower/,
    ],
    [
      'a dual encoder as decoder',
      { decoder: golden('clip') },
      UnsupportedError,
      /"clip_text_model" is not supp/,
    ],
    ['weights of another projector', { projectorWeights: golden('llava_linear') }, WeightError, /is \[/],
    ['a layer beyond the tower', { featureLayer: 9 }, ConfigError, /featureLayer is 9/],
    [
      'pooling that does not divide',
      { projector: projectors.averagePool({ tokens: 9 }) },
      ConfigError,
      /tokens is 9 for 8 x 8/,
    ],
  ])('%s is refused, and nothing stays allocated', async (_, change, type, message) => {
    const liveBytes = getDevice().memory.liveBytes;
    const parts = { encoder: DEMO, projector: projectors.mlp(), decoder: DEMO, ...change };
    const failed = compose(parts);
    await expect(failed).rejects.toThrow(type);
    await expect(failed).rejects.toThrow(message);
    expect(getDevice().memory.liveBytes).toBe(liveBytes);
  });
});
