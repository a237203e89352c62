import { expect, test } from 'vitest';
import { type ResamplerConfig, resampler } from '../../src/models/projectors/resampler.ts';
import { describeOnAdapters } from '../adapters.ts';
import { floats, interpretPart, type Part, randomPart, relativeError, runPart } from './part.ts';

const CONFIG: ResamplerConfig = {
  visionHiddenSize: 10,
  textHiddenSize: 12,
  intermediateSize: 14,
  numLatents: 5,
  depth: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 6,
  hiddenAct: 'silu',
  rmsNormEps: 1e-6,
};
const PATCHES = 9;
const BATCH = 2;

const part = randomPart([BATCH, PATCHES, 10], 11, (x, w) => resampler(x, CONFIG, w));

type Rows = readonly (readonly number[])[];
const silu = (x: number): number => x / (1 + Math.exp(-x));
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? Number.NaN), 0);
const zip = (a: Rows, b: Rows, f: (x: number, y: number) => number): Rows =>
  a.map((row, r) => row.map((value, c) => f(value, b[r]?.[c] ?? Number.NaN)));

/** The equations of Idefics 2's connector on rows of numbers, as loops: nothing of the engine takes part. */
async function resampled({ index, input }: Part): Promise<number[]> {
  const weights = new Map<string, Rows>();
  for (const [name, { shape }] of index) {
    const values = [...(await floats(index, name))];
    const width = shape.at(-1) ?? 0;
    weights.set(
      name,
      Array.from({ length: values.length / width }, (_, r) => values.slice(r * width, (r + 1) * width)),
    );
  }
  const get = (name: string): Rows => weights.get(name) ?? [];
  const times = (x: Rows, name: string): Rows =>
    x.map((row) => get(`${name}.weight`).map((w) => dot(row, w)));
  const norm = (x: Rows, name: string): Rows =>
    x.map((row) => {
      const rms = Math.sqrt(dot(row, row) / row.length + CONFIG.rmsNormEps);
      return row.map((value, c) => (value / rms) * (get(`${name}.weight`)[0]?.[c] ?? Number.NaN));
    });
  const mlp = (x: Rows, name: string): Rows =>
    times(
      zip(times(x, `${name}.gate_proj`), times(x, `${name}.up_proj`), (gate, up) => silu(gate) * up),
      `${name}.down_proj`,
    );
  const attend = (queries: Rows, seen: Rows, name: string): Rows => {
    const [q, k, v] = [
      times(queries, `${name}.q_proj`),
      times(seen, `${name}.k_proj`),
      times(seen, `${name}.v_proj`),
    ];
    const D = CONFIG.headDim;
    const joined = q.map((row) =>
      Array.from({ length: CONFIG.numAttentionHeads }, (_, head) => {
        // Neighbouring query heads share a key head.
        const shared = Math.floor((head * CONFIG.numKeyValueHeads) / CONFIG.numAttentionHeads);
        const part = (x: readonly number[], h: number): readonly number[] => x.slice(h * D, (h + 1) * D);
        const weight = k.map((key) => Math.exp(dot(part(row, head), part(key, shared)) / Math.sqrt(D)));
        const total = weight.reduce((sum, w) => sum + w, 0);
        return Array.from({ length: D }, (_, d) =>
          v.reduce((sum, value, t) => sum + ((weight[t] ?? 0) / total) * (part(value, shared)[d] ?? 0), 0),
        );
      }).flat(),
    );
    return times(joined, `${name}.o_proj`);
  };
  const sum = (a: number, b: number): number => a + b;
  return Array.from({ length: BATCH }, (_, picture) => {
    const features = Array.from({ length: PATCHES }, (_, p) => {
      const from = (picture * PATCHES + p) * CONFIG.visionHiddenSize;
      return [...input.slice(from, from + CONFIG.visionHiddenSize)];
    });
    const context = mlp(features, 'modality_projection');
    let latents = get('perceiver_resampler.latents');
    for (let layer = 0; layer < CONFIG.depth; layer++) {
      const at = `perceiver_resampler.layers.${layer}`;
      const queries = norm(latents, `${at}.input_latents_norm`);
      const seen = [...norm(context, `${at}.input_context_norm`), ...queries];
      latents = zip(latents, attend(queries, seen, `${at}.self_attn`), sum);
      latents = zip(latents, mlp(norm(latents, `${at}.post_attention_layernorm`), `${at}.mlp`), sum);
    }
    return norm(latents, 'perceiver_resampler.norm').flat();
  }).flat();
}

test('the graph is the equations of Idefics 2', async () => {
  const expected = await resampled(part);
  expect(expected).toHaveLength(BATCH * 5 * 12);
  expect(relativeError((await interpretPart(part)).get('output'), expected)).toBeLessThan(1e-9);
});

describeOnAdapters('resampler', (getDevice) => {
  test('agrees with the equations', async () => {
    const output = (await runPart(getDevice(), part)).get('output');
    expect(relativeError(output, await resampled(part))).toBeLessThan(1e-4);
  });
});
