import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/models/config-reader.ts';
import { parseGemma2Config } from '../../src/models/gemma2/config.ts';
import { openVariations, type Variation } from './variations.ts';

/** The f64 interpreter leaves only the reference's own f32 rounding. */
const EXACT = 1e-4;
const LAYERS = 4;

const layerTypes = (slides: (layer: number) => boolean): readonly string[] =>
  Array.from({ length: LAYERS }, (_, i) => (slides(i) ? 'sliding_attention' : 'full_attention'));

describe('PaliGemma 2 computes as its reference', () => {
  let golden: Awaited<ReturnType<typeof openVariations>>;
  beforeAll(async () => {
    golden = await openVariations('paligemma2');
  });
  afterAll(() => golden.close());

  test.for<[string, Variation]>([
    ['as it is', {}],
    ['with positions from 1 on', { firstPosition: 1 }],
    ['with bounds put on scores before the mask', { hiddenKeyWeight: () => 0 }],
    ['with its layers named', { text: { layer_types: layerTypes((i) => i % 2 === 0) } }],
  ])('%s', ([, variation]) => {
    const { prompt, answer } = golden.errors(variation);
    expect(prompt).toBeLessThan(EXACT);
    expect(answer).toBeLessThan(EXACT);
  });

  test.for<[string, number, Variation]>([
    ['scores that no bound holds', 0.01, { text: { attn_logit_softcapping: null } }],
    ['logits that no bound holds', 0.1, { text: { final_logit_softcapping: null } }],
    ['scores divided by the root of the head width', 0.003, { text: { query_pre_attn_scalar: 20 } }],
    ['exact GELU', 2e-4, { text: { hidden_activation: 'gelu' } }],
    ['a causal prompt', 0.1, { spans: (spans) => spans.map(() => [0, 0]) }],
    [
      'a window that cuts within the prefix',
      0.01,
      { spans: (spans, S) => spans.map((span, i) => (i < S ? [i, S] : span)) },
    ],
  ])('and not as %s would', ([, least, variation]) => {
    expect(golden.errors(variation).prompt).toBeGreaterThan(least);
  });

  // The prefix is open to its own tokens whatever the window, so that only what comes after it can tell.
  test.for<[string, Variation]>([
    ['no window at all', { text: { sliding_window: 512 } }],
    ['a window one key wider', { text: { sliding_window: 11 } }],
    ['a window in the odd layers', { text: { layer_types: layerTypes((i) => i % 2 === 1) } }],
    ['a prefix that the answer sees beyond the window', { spans: (spans, S) => spans.map(() => [0, S]) }],
  ])('and its answer not as %s would', ([, variation]) => {
    const { prompt, answer } = golden.errors(variation);
    expect(prompt).toBeLessThan(EXACT);
    expect(answer).toBeGreaterThan(1e-3);
  });
});

describe('configs of Gemma 2', () => {
  const parse = (json: Readonly<Record<string, unknown>>) =>
    parseGemma2Config(readConfig(json, 'config.json'));

  test('what a file leaves out is that of the 2B model', () => {
    const config = parse({});
    expect(config).toMatchObject({
      hiddenSize: 2304,
      numAttentionHeads: 8,
      numKeyValueHeads: 4,
      headDim: 256,
    });
    expect(config).toMatchObject({
      attnLogitSoftcapping: 50,
      finalLogitSoftcapping: 30,
      queryPreAttnScalar: 256,
    });
    expect(config.slidingWindows.slice(0, 3)).toEqual([4096, null, 4096]);
    expect(config).toMatchObject({ hiddenAct: 'gelu_pytorch_tanh', tieWordEmbeddings: true });
  });

  test('null is no bound, and hidden_act says nothing', () => {
    const config = parse({ attn_logit_softcapping: null, final_logit_softcapping: null, hidden_act: 'relu' });
    expect(config).toMatchObject({ attnLogitSoftcapping: null, finalLogitSoftcapping: null });
    expect(config.hiddenAct).toBe('gelu_pytorch_tanh');
  });

  test.for([
    [
      { final_logit_softcapping: 0 },
      '"final_logit_softcapping" is 0; expected a positive number, or null for none',
    ],
    [{ attn_logit_softcapping: 'high' }, '"attn_logit_softcapping" is "high"; expected a number'],
    [{ query_pre_attn_scalar: -1 }, '"query_pre_attn_scalar" is -1; expected a positive integer'],
    [{ sliding_window: 0 }, '"sliding_window" is 0; expected a positive integer'],
    [{ layer_types: ['full_attention'] }, '"layer_types" names 1 layers; expected 26'],
    [
      { num_hidden_layers: 1, layer_types: ['chunked_attention'] },
      '"layer_types" calls layer 0 "chunked_attention"; expected "sliding_attention" or "full_attention"',
    ],
    [{ hidden_activation: 'mish' }, '"hidden_activation" is "mish"; expected one of'],
  ] as const)('%j is refused', ([json, message]) => {
    expect(() => parse(json)).toThrow(message);
  });
});
