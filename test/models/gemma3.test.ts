import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/models/config-reader.ts';
import { parseGemma3Config } from '../../src/models/gemma3/config.ts';
import { parseGemma3TextConfig } from '../../src/models/gemma3/text-config.ts';
import { readGoldenJson } from '../read-golden.ts';
import { openVariations, type Range, type Variation } from './variations.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const EXACT = 1e-4;
/** Width of the decoder. */
const C = 56;
const NONE: Range = [0, 0];

type Json = Readonly<Record<string, unknown>>;

const layerTypes = (slides: (layer: number) => boolean): readonly string[] =>
  [0, 1, 2, 3].map((i) => (slides(i) ? 'sliding_attention' : 'full_attention'));

const isOpen = ([first, last]: Range): boolean => first < last;

/** Each picture's tokens see all of it, whatever the window: how PaliGemma 2 puts the rules together. */
function wholePictures(spans: readonly Range[]): readonly Range[] {
  let first = 0;
  return spans.map((span, i) => {
    if (!isOpen(span)) return NONE;
    if (!isOpen(spans[i - 1] ?? NONE)) first = span[0];
    return [first, span[1]];
  });
}

/** As `layer_types` and `rope_parameters`, which 5.x writes in place of what this golden says. */
const IN_5X: Json = {
  sliding_window_pattern: undefined,
  layer_types: layerTypes((i) => i % 2 === 0),
  rope_theta: undefined,
  rope_local_base_freq: undefined,
  rope_scaling: undefined,
  rope_parameters: {
    full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 },
    sliding_attention: { rope_type: 'default', rope_theta: 1e4 },
  },
};

describe('Gemma 3 computes as its reference', () => {
  let golden: Awaited<ReturnType<typeof openVariations>>;
  beforeAll(async () => {
    golden = await openVariations('gemma3');
  });
  afterAll(() => golden.close());

  test.for<[string, Variation]>([
    ['as it is', {}],
    ['with its layers and ropes named as by transformers 5', { text: IN_5X }],
    [
      'with the base frequencies that are the defaults',
      { text: { rope_theta: undefined, rope_local_base_freq: undefined } },
    ],
    [
      'with bounds, which the reference does not put here',
      { text: { attn_logit_softcapping: 1, final_logit_softcapping: 1 } },
    ],
  ])('%s', ([, variation]) => {
    const { prompt, answer } = golden.errors(variation);
    expect(prompt).toBeLessThan(EXACT);
    expect(answer).toBeLessThan(EXACT);
  });

  test.for<[string, number, Variation]>([
    ['pictures read causally', 0.1, { spans: (spans) => spans.map(() => NONE) }],
    ['text seen both ways too', 0.1, { spans: (spans, S) => spans.map((_, i) => (i < S ? [i, S] : NONE)) }],
    ['pictures that the window does not cut', 0.01, { spans: wholePictures }],
    ['features scaled as embeddings are', 0.1, { features: (f) => f.map((x) => x * Math.sqrt(C)) }],
    ['scores divided by the root of the head width', 0.003, { text: { query_pre_attn_scalar: 18 } }],
    ['a wider window', 0.01, { text: { sliding_window: 7 } }],
    ['a window in all layers but each sixth', 0.01, { text: { sliding_window_pattern: undefined } }],
    ['a window in the other layers', 0.01, { text: { layer_types: layerTypes((i) => i % 2 === 1) } }],
    ['positions that are not stretched', 0.003, { text: { rope_scaling: undefined } }],
    ['local layers that turn as slowly as global ones', 0.01, { text: { rope_local_base_freq: 1e6 } }],
    ['exact GELU', 2e-4, { text: { hidden_activation: 'gelu' } }],
  ])('and not as %s would', ([, least, variation]) => {
    expect(golden.errors(variation).prompt).toBeGreaterThan(least);
  });
});

describe('pictures of one prompt', () => {
  test('do not see those after them', async () => {
    const { errors, close } = await openVariations('gemma3', 'two_images');
    expect(errors().prompt).toBeLessThan(EXACT);
    const asOne: Variation = {
      spans: (spans) => {
        const end = Math.max(...spans.map(([, last]) => last));
        return spans.map((span) => (isOpen(span) ? [span[0], end] : NONE));
      },
    };
    expect(errors(asOne).prompt).toBeGreaterThan(0.01);
    await close();
  });
});

describe('configs of Gemma 3', () => {
  const json = readGoldenJson<Json & { text_config: Json; vision_config: Json }>('gemma3/config.json');
  const parse = (changed: Json) => parseGemma3Config(readConfig({ ...json, ...changed }, 'config.json'));
  const parseText = (changed: Json) => parseGemma3TextConfig(readConfig(changed, 'config.json'));

  test('what google/gemma-3-4b-it leaves out', () => {
    const config = parseGemma3Config(
      readConfig(
        {
          mm_tokens_per_image: 256,
          text_config: {
            hidden_size: 2560,
            intermediate_size: 10240,
            num_hidden_layers: 34,
            rope_scaling: { factor: 8, rope_type: 'linear' },
            sliding_window: 1024,
          },
          vision_config: { hidden_size: 1152, image_size: 896, num_attention_heads: 16, patch_size: 14 },
        },
        'config.json',
      ),
    );
    expect(config).toMatchObject({ imageTokenId: 262144, boiTokenId: 255999, eoiTokenId: 256000 });
    expect(config.text).toMatchObject({ numAttentionHeads: 8, numKeyValueHeads: 4, headDim: 256 });
    expect(config.text).toMatchObject({
      vocabSize: 262208,
      tieWordEmbeddings: true,
      queryPreAttnScalar: 256,
    });
    expect(config.text.slidingWindows.slice(3, 7)).toEqual([1024, 1024, null, 1024]);
    expect(config.text.ropes).toEqual({
      full: { ropeType: 'linear', factor: 8, theta: 1e6, rotaryDim: 256 },
      sliding: { ropeType: 'default', theta: 1e4, rotaryDim: 256 },
    });
  });

  test('both parts may be left out', () => {
    const { text, vision, mmTokensPerImage } = parseGemma3Config(
      readConfig({ mm_tokens_per_image: 49 }, 'c'),
    );
    expect(text.hiddenSize).toBe(2304);
    expect(vision.hiddenSize).toBe(768);
    expect(mmTokensPerImage).toBe(49);
  });

  test('tokens by both of their names', () => {
    expect(parse({ boi_token_id: 5 })).toMatchObject({ boiTokenId: 5, eoiTokenId: 10, imageTokenId: 461 });
  });

  test('a language model bounds its logits, where asked', () => {
    expect(parseText({}).finalLogitSoftcapping).toBeNull();
    expect(parseText({ final_logit_softcapping: 30 }).finalLogitSoftcapping).toBe(30);
    expect(
      parse({ text_config: { ...json.text_config, final_logit_softcapping: 30 } }).text.finalLogitSoftcapping,
    ).toBeNull();
  });

  test.for<[Json, string]>([
    [{ mm_tokens_per_image: 16 }, '"mm_tokens_per_image" is 16, but 6 x 6 patches are no 16 squares'],
    [{ mm_tokens_per_image: 8 }, '"mm_tokens_per_image" is 8, but 6 x 6 patches are no 8 squares'],
    [
      { vision_config: { ...json.vision_config, model_type: 'clip_vision_model' } },
      'is no vision tower of this model',
    ],
    [
      { text_config: { ...json.text_config, use_bidirectional_attention: true } },
      '"use_bidirectional_attention" is true',
    ],
    [
      { text_config: { ...json.text_config, rope_scaling: { rope_type: 'yarn', factor: 2 } } },
      'rope_type "yarn" is not supported',
    ],
    [{ text_config: { ...json.text_config, rope_scaling: { rope_type: 'linear' } } }, '"factor" is missing'],
    [
      { text_config: { ...json.text_config, sliding_window_pattern: 0 } },
      '"sliding_window_pattern" is 0; expected a positive integer',
    ],
    [
      { text_config: { ...json.text_config, layer_types: ['full_attention'] } },
      '"layer_types" names 1 layers; expected 4',
    ],
  ])('%j is refused', ([changed, message]) => {
    expect(() => parse(changed)).toThrow(message);
  });
});
