import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { bfloat16ToFloat32, float16ToFloat32 } from '../core/float16.ts';
import { elementCount, formatShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/** Float formats of checkpoints that the GPU converts, with their bytes. */
export const WEIGHT_FORMAT_BYTES = { F32: 4, F16: 2, BF16: 2 } as const;
export type WeightFormat = keyof typeof WEIGHT_FORMAT_BYTES;

export type ConvertWeightAttrs = {
  readonly from: WeightFormat;
  /** Elements in `words`. */
  readonly count: number;
  /** Element of `weight` that the first goes to; even. */
  readonly offset: number;
};

/**
 * Writes elements of a checkpoint into `weight` from `offset` on, as its dtype; the rest of it keeps its values.
 * words [n] u32: the raw little-endian bytes, padded to whole words. weight [...] f32|f16, updated in place.
 * To f16 rounds to nearest even; beyond 65504 becomes infinity, which `reduceMax(abs(weight))` shows.
 */
export const convertWeight = defineOp<ConvertWeightAttrs>({
  name: 'convertWeight',
  inputs: ['words', 'weight'],
  traits: { aliases: { weight: 'weight' }, writesAlias: true },
  infer(inputs, { from, count, offset }, where) {
    const words = required(inputs, 'words', where);
    const weight = required(inputs, 'weight', where);
    const needed = Math.ceil((count * WEIGHT_FORMAT_BYTES[from]) / 4);
    if (
      words.dtype !== 'u32' ||
      !isFloat(weight.dtype) ||
      elementCount(words.shape) < needed ||
      offset % 2 !== 0 ||
      offset + count > elementCount(weight.shape)
    ) {
      throw new ShapeError(
        `${where}: ${count} elements of ${from} in words ${words.dtype} ${formatShape(words.shape)} to element ` +
          `${offset} of weight ${weight.dtype} ${formatShape(weight.shape)}; expected ${needed} u32 words and an ` +
          'even offset with room behind it.',
      );
    }
    return { weight };
  },
});

export const convertWeightReference: Reference<ConvertWeightAttrs> = (inputs, { from, count, offset }) => {
  const { data: words } = required(inputs, 'words', 'convertWeight');
  const weight = Float64Array.from(required(inputs, 'weight', 'convertWeight').data);
  weight.set(readWeightFormat(from, words, count), offset);
  return { weight };
};

/** The first `count` values of a format's little-endian words. */
export function readWeightFormat(from: WeightFormat, words: ArrayLike<number>, count: number): Float64Array {
  const bytes = new DataView(Uint32Array.from(words).buffer);
  return Float64Array.from({ length: count }, (_, i) => READERS[from](bytes, i * WEIGHT_FORMAT_BYTES[from]));
}

const READERS: Readonly<Record<WeightFormat, (bytes: DataView, at: number) => number>> = {
  F32: (bytes, at) => bytes.getFloat32(at, true),
  F16: (bytes, at) => float16ToFloat32(bytes.getUint16(at, true)),
  BF16: (bytes, at) => bfloat16ToFloat32(bytes.getUint16(at, true)),
};
