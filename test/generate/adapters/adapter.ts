import type { Shape } from '../../../src/core/shape.ts';
import { type CheckpointFiles, memoryFiles } from '../../../src/weights/checkpoint-files.ts';
import { encodeSafetensors, type TensorData } from '../../../src/weights/write-safetensors.ts';

/** f32 values that differ by name, of standard deviation about 0.07. */
export function valuesFor(name: string, shape: Shape): Float32Array<ArrayBuffer> {
  const seed = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 7);
  const count = shape.reduce((product, size) => product * size, 1);
  return Float32Array.from({ length: count }, (_, i) => Math.sin(seed + i * 1.7) / 10);
}

export const f32Tensor = (
  name: string,
  shape: Shape,
  values: Float32Array<ArrayBuffer> = valuesFor(name, shape),
): TensorData => ({ name, dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) });

/** An adapter in memory: `config` over PEFT's usual fields, and its tensors. */
export function adapterFiles(
  config: Readonly<Record<string, unknown>>,
  tensors: readonly TensorData[],
): CheckpointFiles {
  const json = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    r: 4,
    lora_alpha: 8,
    lora_dropout: 0.05,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    target_modules: ['q_proj'],
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
    init_lora_weights: true,
    ...config,
  };
  return memoryFiles(
    'adapter',
    new Map([
      ['adapter_config.json', new TextEncoder().encode(JSON.stringify(json))],
      ['adapter_model.safetensors', encodeSafetensors(tensors)],
    ]),
  );
}

/** W + scale · B A in f64, rounded to f32 once. W [N, K], B [N, r], A [r, K]. */
export function merged(
  weight: ArrayLike<number>,
  [n, k]: readonly [number, number],
  scale: number,
  b: ArrayLike<number>,
  a: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const rank = b.length / n;
  return Float32Array.from({ length: n * k }, (_, i) => {
    const column = i % k;
    const row = (i - column) / k;
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (b[row * rank + r] ?? 0) * (a[r * k + column] ?? 0);
    return (weight[i] ?? 0) + scale * sum;
  });
}
