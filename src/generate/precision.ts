import type { Caps } from '../core/caps.ts';
import { isPacked, type WeightDType } from '../core/dtype.ts';
import { UnsupportedError } from '../core/errors.ts';
import type { Precision } from '../models/parameters.ts';
import type { TensorIndex } from '../weights/safetensors.ts';

/** What a caller asks for; `auto` decides by adapter and checkpoint. */
export type DTypeChoice = 'auto' | WeightDType;

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
/**
 * Activations stay f32: vision towers and Gemma overflow f16, and weights are what fills memory. So does the KV
 * cache: keys rounded to f16 alone moved the logits of a recorded Qwen2 by 1.2e-2 of their RMS.
 */
const F16: Precision = { weights: 'f16', activations: 'f32', kvCache: 'f32' };

/**
 * Storage types for a checkpoint on an adapter. `auto` takes f16 on a GPU when the checkpoint is 16 bits wide; on a
 * CPU adapter f16 saves memory but costs time, so there it takes f32. It never takes q8 or q4, which cost accuracy.
 * Throws UnsupportedError for f16 on an adapter without shader-f16.
 */
export function choosePrecision(choice: DTypeChoice, caps: Caps, index: TensorIndex): Precision {
  if (choice === 'f32') return F32;
  if (choice !== 'auto' && isPacked(choice)) return { ...F32, weights: choice };
  if (choice === 'f16') {
    if (caps.features.shaderF16) return F16;
    throw new UnsupportedError(
      `dtype f16: ${caps.adapterName} has no shader-f16; expected an adapter that has it. Use f32.`,
    );
  }
  const isGpu = caps.kind === 'discrete' || caps.kind === 'integrated';
  return isGpu && caps.features.shaderF16 && isSixteenBit(index) ? F16 : F32;
}

/** Whether most of the bytes are in 16-bit tensors. */
export function isSixteenBit(index: TensorIndex): boolean {
  let narrow = 0;
  let total = 0;
  for (const { dtype, byteLength } of index.values()) {
    total += byteLength;
    if (dtype === 'F16' || dtype === 'BF16') narrow += byteLength;
  }
  return narrow * 2 > total;
}
