import { InputError } from '../../src/core/errors.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createModel } from '../../src/models/registry.ts';
import { promptIds } from '../../src/verify/inputs.ts';
import { readGoldenJson } from '../read-golden.ts';
import { interpretDecoder, openGolden } from './golden.ts';
import { weighHiddenKeys } from './hidden-keys.ts';
import { relativeError } from './part.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

type Json = Readonly<Record<string, unknown>>;

/** A decoder computed otherwise than the reference does, to show that the reference can tell. */
export interface Variation {
  /** Fields of text_config, or of config.json where there is none, that are replaced; undefined takes one away. */
  readonly text?: Json;
  /** Keys seen besides those before, for a prompt of S tokens with its answer behind it: one range per token. */
  readonly spans?: (spans: readonly Range[], promptLength: number) => readonly Range[];
  readonly features?: (features: Float32Array) => Float32Array;
  readonly firstPosition?: number;
  /** Of keys that a mask hides, by the bound of scores; nothing unless told. */
  readonly hiddenKeyWeight?: (cap: number) => number;
}

export type Range = readonly [first: number, last: number];

/** Largest errors relative to the reference's RMS. */
export interface Errors {
  /** Of the prompt's logits. */
  readonly prompt: number;
  /** Of the logits the answer's tokens were picked from; Infinity where none were recorded. */
  readonly answer: number;
}

/** A run of a golden, the first unless told, in f64, its recorded answer behind the prompt. */
export async function openVariations(name: string, runName?: string) {
  const { assets, reference, weights, root, close } = await openGolden(name);
  const config = readGoldenJson<Json>(`${name}/config.json`);
  const run = reference.runs.find((one) => runName === undefined || one.name === runName);
  if (!run) throw new InputError(`${name} has no run ${runName ?? ''}`);
  const [prompt = []] = await promptIds(reference, run);
  const answer = (run.generatedIds[0] ?? []).slice(0, -1);
  const ids = [...prompt, ...answer];
  const promptSpans = assets.createProcessor?.().spans?.(prompt, []);
  const spans = ids.map((_, i): Range => [promptSpans?.[2 * i] ?? 0, promptSpans?.[2 * i + 1] ?? 0]);
  const features = reference.has(run, 'projector.output')
    ? await reference.floats(run, 'projector.output')
    : new Float32Array();
  const expected = {
    prompt: await reference.floats(run, 'logits'),
    answer: reference.has(run, 'generated.logits')
      ? await reference.floats(run, 'generated.logits')
      : new Float32Array(),
  };

  const errors = (variation: Variation = {}): Errors => {
    const { text = {}, firstPosition = 0, hiddenKeyWeight } = variation;
    const changed = config.text_config
      ? { ...config, text_config: replaced(config.text_config as Json, text) }
      : replaced(config, text);
    const model = createModel(changed, 'config.json');
    const ranges = variation.spans?.(spans, prompt.length) ?? spans;
    const { named } = interpretDecoder({
      model,
      root,
      precision: F32,
      weights,
      ids,
      features: variation.features?.(features) ?? features,
      spans: ranges.flat(),
      positions: ids.map((_, i) => firstPosition + i),
      reference: hiddenKeyWeight && weighHiddenKeys(hiddenKeyWeight),
    });
    const logits = named.get('logits') ?? [];
    const rows = (from: number, to: number) =>
      logits.slice(from * model.text.vocabSize, to * model.text.vocabSize);
    return {
      prompt: relativeError(rows(0, prompt.length), expected.prompt),
      answer: relativeError(rows(prompt.length - 1, ids.length), expected.answer),
    };
  };
  return { errors, close, hiddenSize: features.length > 0 ? assets.model.text.hiddenSize : 0 };
}

const replaced = (json: Json, fields: Json): Json =>
  Object.fromEntries(Object.entries({ ...json, ...fields }).filter(([, value]) => value !== undefined));
