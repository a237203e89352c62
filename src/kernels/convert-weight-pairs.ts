import { DTYPE_BYTES } from '../core/dtype.ts';
import { convertWeight, WEIGHT_FORMAT_BYTES, type WeightFormat } from '../ops/convert-weight.ts';
import { required } from '../ops/op.ts';
import { float16ToFloat32Bits, float32ToFloat16Bits } from '../wgsl/float16.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/**
 * Raw words of a checkpoint to f32 or f16, two elements a thread. All in integers and u32 words, so that it is exact
 * to the bit and f16 storage can be filled on adapters whose shaders have no f16.
 */
export const convertWeightPairs = defineKernel({
  name: 'convert_weight_pairs',
  op: convertWeight,
  bindings: { words: 'read', weight: 'read_write' },
  params: { count: 'u32', elements: 'u32', offset: 'u32' },
  tuning: { lanes: [1] },
  prepare: ({ attrs }) => ({
    params: { count: Math.ceil(attrs.count / 2), elements: attrs.count, offset: attrs.offset },
    variant: { from: attrs.from },
  }),
  supports: () => true,
  elements: () => ({ weight: 'u32' }),
  wgsl({ variant, dtypes }, t) {
    const store = required(dtypes, 'weight', 'convert_weight_pairs') === 'f16' ? STORE_F16 : STORE_F32;
    return elementMain(
      t,
      wgsl`
        let hasSecond = 2u * i + 1u < params.elements;
        // The bits of both elements as f32.
        ${LOADS[variant.from as WeightFormat]}
        ${store}
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes, variant }) {
    return {
      flops: 0,
      bytesRead: params.elements * WEIGHT_FORMAT_BYTES[variant.from as WeightFormat],
      bytesWritten: params.elements * DTYPE_BYTES[required(dtypes, 'weight', 'convert_weight_pairs')],
    };
  },
});

const LOADS: Readonly<Record<WeightFormat, WgslSource>> = {
  F32: wgsl`
    let first = words[2u * i];
    let second = words[2u * i + 1u];
  `,
  F16: wgsl`
    ${float16ToFloat32Bits}
    let first = float16ToFloat32Bits(words[i] & 0xffffu);
    let second = float16ToFloat32Bits(words[i] >> 16u);
  `,
  BF16: wgsl`
    let first = words[i] << 16u;
    let second = words[i] & 0xffff0000u;
  `,
};

const STORE_F32 = wgsl`
  weight[params.offset + 2u * i] = first;
  if (hasSecond) { weight[params.offset + 2u * i + 1u] = second; }
`;

// The offset is even, so a pair is one word; its last half keeps its value where the count is odd.
const STORE_F16 = wgsl`
  ${float32ToFloat16Bits}
  let at = params.offset / 2u + i;
  let high = select(weight[at] >> 16u, float32ToFloat16Bits(second), hasSecond);
  weight[at] = float32ToFloat16Bits(first) | (high << 16u);
`;
