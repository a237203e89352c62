import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/models/config-reader.ts';
import { parsePaliGemmaConfig } from '../../src/models/paligemma/config.ts';
import { readGoldenJson } from '../read-golden.ts';
import { openVariations, type Variation } from './variations.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const EXACT = 1e-4;
/** Patches of its picture, width of its decoder. */
const [P, C] = [16, 48];

describe('PaliGemma computes as its reference', () => {
  let golden: Awaited<ReturnType<typeof openVariations>>;
  beforeAll(async () => {
    golden = await openVariations('paligemma');
  });
  afterAll(() => golden.close());

  test.for<[string, Variation]>([
    ['as it is', {}],
    ['with positions from 1 on', { firstPosition: 1 }],
    ['with "gelu" for the tanh form', { text: { hidden_act: 'gelu' } }],
  ])('%s', ([, variation]) => {
    const { prompt, answer } = golden.errors(variation);
    expect(prompt).toBeLessThan(EXACT);
    expect(answer).toBeLessThan(EXACT);
  });

  test.for<[string, number, Variation]>([
    ['a causal prompt', 0.1, { spans: (spans) => spans.map(() => [0, 0]) }],
    [
      'a prompt of which pictures alone see each other',
      0.1,
      { spans: (spans) => spans.map((_, i) => (i < P ? [0, P] : [0, 0])) },
    ],
    ['features scaled as embeddings are', 0.1, { features: (f) => f.map((x) => x * Math.sqrt(C)) }],
    ['exact GELU', 5e-4, { text: { hidden_act: 'gelu_python' } }],
    ['other rotary frequencies', 0.01, { text: { rope_theta: 5000 } }],
  ])('and not as %s would', ([, least, variation]) => {
    expect(golden.errors(variation).prompt).toBeGreaterThan(least);
  });

  test('and not as an answer that sees itself both ways would', () => {
    const open: Variation = { spans: (spans) => spans.map(() => [0, spans.length]) };
    expect(golden.errors(open).answer).toBeGreaterThan(0.1);
  });
});

describe('configs of PaliGemma', () => {
  type Json = Readonly<Record<string, unknown>>;
  const json = readGoldenJson<Json & { text_config: Json; vision_config: Json }>('paligemma/config.json');
  const parse = (changed: Json) => parsePaliGemmaConfig(readConfig({ ...json, ...changed }, 'config.json'));

  test('parts that are left out are those of the 3B model', () => {
    const { vision, text, imageTokenId } = parsePaliGemmaConfig(readConfig({}, 'config.json'));
    expect(vision).toMatchObject({ hiddenSize: 1152, numHiddenLayers: 27, patchSize: 14, imageSize: 224 });
    expect(text.config).toMatchObject({
      hiddenSize: 2048,
      numHiddenLayers: 18,
      numKeyValueHeads: 1,
      headDim: 256,
    });
    expect(text.config).toMatchObject({ vocabSize: 257152, tieWordEmbeddings: true });
    expect(imageTokenId).toBe(256000);
  });

  test('the image token by both of its names', () => {
    expect(parse({ image_token_id: 7 }).imageTokenId).toBe(7);
    expect(parse({}).imageTokenId).toBe(1573);
  });

  test.for<[string, Json, string]>([
    [
      'another decoder',
      { text_config: { ...json.text_config, model_type: 'llama' } },
      'model_type "llama" is no decoder of PaliGemma; expected "gemma" or "gemma2"',
    ],
    [
      'another tower',
      { vision_config: { ...json.vision_config, model_type: 'clip_vision_model' } },
      'model_type "clip_vision_model" is no vision tower',
    ],
    [
      'a projector of another width',
      { projection_dim: 64 },
      '"projection_dim" is 64, but features take the places of embeddings of 48',
    ],
    [
      'heads that do not divide',
      { text_config: { ...json.text_config, num_key_value_heads: 3 } },
      'num_attention_heads 4 is not a multiple of num_key_value_heads 3',
    ],
    ['a part that is no object', { text_config: 3 }, '"text_config" is 3; expected an object'],
  ])('%s is refused', ([, changed, message]) => {
    expect(() => parse(changed)).toThrow(message);
  });
});
