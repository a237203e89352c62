import { fileURLToPath } from 'node:url';
import { invariant } from '../../src/core/errors.ts';
import type { ContrastiveModel } from '../../src/embed/contrastive-model.ts';
import { activationReference } from '../../src/ops/activation.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { goldenPath } from '../read-golden.ts';

type Row = readonly number[];

/** Embeddings of a golden's patches, each alone before the last attention: plain loops in f64 over captured states. */
export async function hostPatches(
  name: 'clip' | 'siglip',
  model: ContrastiveModel,
  image: URL,
): Promise<Row[]> {
  const layers = await openLayers(name);
  const state = name === 'clip' ? 'vision.hidden_states.2' : 'vision.last_hidden_state';
  const captured = (await model.capture([state], { image })).get(state);
  invariant(captured, `${state} was captured`);
  const [, tokens = 0, width = 0] = captured.shape;
  const rows = Array.from({ length: tokens }, (_, i) => [
    ...captured.values.subarray(i * width, (i + 1) * width),
  ]);
  const patches = name === 'clip' ? rows.slice(1).map(clipPatch(layers)) : rows.map(siglipPatch(layers));
  return patches.map((patch) => {
    const length = Math.hypot(...patch);
    return patch.map((value) => value / length);
  });
}

/** With one key, attention is its value. */
const clipPatch =
  ({ linear, norm }: Layers) =>
  (x: Row): Row => {
    const layer = 'vision_model.encoder.layers.2';
    const value = linear(norm(x, `${layer}.layer_norm1`, 1e-5), `${layer}.self_attn.v_proj`);
    const h = sum(x, linear(value, `${layer}.self_attn.out_proj`));
    const inner = linear(norm(h, `${layer}.layer_norm2`, 1e-5), `${layer}.mlp.fc1`);
    const y = sum(h, linear(inner.map(activationReference.quick_gelu), `${layer}.mlp.fc2`));
    return linear(norm(y, 'vision_model.post_layernorm', 1e-5), 'visual_projection');
  };

const siglipPatch =
  ({ linear, norm, packed }: Layers) =>
  (x: Row): Row => {
    const head = 'vision_model.head';
    const a = linear(packed(x, `${head}.attention`), `${head}.attention.out_proj`);
    const inner = linear(norm(a, `${head}.layernorm`, 1e-6), `${head}.mlp.fc1`);
    return sum(a, linear(inner.map(activationReference.gelu_pytorch_tanh), `${head}.mlp.fc2`));
  };

const sum = (a: Row, b: Row): Row => a.map((value, i) => value + (b[i] ?? Number.NaN));

interface Layers {
  linear(x: Row, name: string): Row;
  norm(x: Row, name: string, eps: number): Row;
  /** The value projection, the last third of torch's packed ones. */
  packed(x: Row, name: string): Row;
}

async function openLayers(golden: string): Promise<Layers> {
  const checkpoint = await openCheckpoint(await folderFiles(fileURLToPath(goldenPath(golden))));
  const weights = new Map<string, Float32Array>();
  for (const [name, entry] of checkpoint.index)
    if (entry.dtype === 'F32') weights.set(name, await readTensor(entry, 'f32'));
  await checkpoint.close();
  const weight = (name: string): Float32Array => {
    const values = weights.get(name);
    invariant(values, `the golden has a weight ${name}`);
    return values;
  };
  const product = (x: Row, matrix: Float32Array, bias: Float32Array | undefined): Row =>
    Array.from({ length: matrix.length / x.length }, (_, row) =>
      x.reduce(
        (total, value, i) => total + value * (matrix[row * x.length + i] ?? Number.NaN),
        bias?.[row] ?? 0,
      ),
    );
  return {
    linear: (x, name) => product(x, weight(`${name}.weight`), weights.get(`${name}.bias`)),
    norm(x, name, eps) {
      const mean = x.reduce((total, value) => total + value, 0) / x.length;
      const variance = x.reduce((total, value) => total + (value - mean) ** 2, 0) / x.length;
      const [scale, bias] = [weight(`${name}.weight`), weight(`${name}.bias`)];
      return x.map(
        (value, i) => ((value - mean) / Math.sqrt(variance + eps)) * (scale[i] ?? 0) + (bias[i] ?? 0),
      );
    },
    packed(x, name) {
      const rows = 2 * x.length;
      return product(
        x,
        weight(`${name}.in_proj_weight`).subarray(rows * x.length),
        weight(`${name}.in_proj_bias`).subarray(rows),
      );
    },
  };
}
