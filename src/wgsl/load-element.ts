import { float16ToFloat32Bits } from './float16.ts';
import type { Snippet } from './wgsl.ts';

/** `loadElement(i)`: element i of the binding `words`, which holds a checkpoint's values of a format as they are. */
export const loadElement = (format: 'F32' | 'F16' | 'BF16'): Snippet => LOADS[format];

const LOADS = {
  F32: {
    name: 'loadElement',
    code: `
      fn loadElement(i: u32) -> f32 {
        return bitcast<f32>(words[i]);
      }
    `,
  },
  F16: {
    name: 'loadElement',
    uses: [float16ToFloat32Bits],
    code: `
      fn loadElement(i: u32) -> f32 {
        return bitcast<f32>(float16ToFloat32Bits((words[i / 2u] >> (16u * (i & 1u))) & 0xffffu));
      }
    `,
  },
  BF16: {
    name: 'loadElement',
    code: `
      fn loadElement(i: u32) -> f32 {
        return bitcast<f32>((words[i / 2u] >> (16u * (i & 1u))) << 16u);
      }
    `,
  },
} as const;
