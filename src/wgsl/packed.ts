import { PACKED_ZERO, type PackedDType, packedRow } from '../core/dtype.ts';
import { f32Literal } from './literal.ts';
import type { Snippet } from './wgsl.ts';

// Reading packed matrices, laid out as core/dtype.ts says, from bindings of u32 words, one called `weight` unless told.

/** Vectors of four elements in a word. */
export const VECTORS_PER_WORD: Readonly<Record<PackedDType, number>> = { q8: 1, q4: 2 };

/**
 * `stored(word)`: four neighbouring integers where they stand in the word, as floats; of q4 the low halves of its bytes,
 * so that the high ones are `stored(word >> 4u)`. `stored(word) * PLACES - ZERO` are the elements, unscaled. None
 * reaches the sign bit: a conversion of signed integers is one instruction everywhere, of unsigned ones it is not.
 */
const STORED: Readonly<Record<PackedDType, string>> = {
  q8: `
    const PLACES = vec4f(1.0, 0.00390625, 1.52587890625e-5, 1.52587890625e-5);

    fn stored(word: u32) -> vec4f {
      return vec4f(vec4i(vec4u(vec3u(word), word >> 8u) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
    }
  `,
  q4: `
    const PLACES = vec4f(1.0, 0.00390625, 1.52587890625e-5, 5.9604644775390625e-8);

    fn stored(word: u32) -> vec4f {
      return vec4f(vec4i(vec4u(word) & vec4u(0xfu, 0xf00u, 0xf0000u, 0xf000000u)));
    }
  `,
};

/**
 * `stored(word)` with `PLACES` and `ZERO`; `BLOCK_WORDS` and `VECTORS` in a word; `rowBlocks(columns)`;
 * `rowStart(row, columns)`: the first word of a row; `scaleOf(start, blocks, b)`: the scale of block b of the row that
 * starts there; of bindings by other names `scaleOf_w0(...)`. `element` is what the bindings are arrays of.
 */
export const packedRows = (
  dtype: PackedDType,
  element: 'u32' | 'vec4' = 'u32',
  bindings: readonly string[] = ['weight'],
): Snippet => ({
  name: 'packedRows',
  uses: [{ name: 'stored', code: STORED[dtype] }],
  code: `
    const ZERO = ${f32Literal(PACKED_ZERO[dtype])};
    const VECTORS = ${VECTORS_PER_WORD[dtype]}u;
    const BLOCK_WORDS = ${packedRow(dtype, 1).blockWords}u;

    fn rowBlocks(columns: u32) -> u32 {
      return (columns + 31u) / 32u;
    }

    fn rowStart(row: u32, columns: u32) -> u32 {
      let blocks = rowBlocks(columns);
      return row * (blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u));
    }

    ${bindings.map((binding) => scaleFunction(binding, element)).join('\n\n')}
  `,
});

const scaleFunction = (binding: string, element: 'u32' | 'vec4'): string =>
  `
    fn ${binding === 'weight' ? 'scaleOf' : `scaleOf_${binding}`}(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = ${element === 'vec4' ? `${binding}[at / 4u][at % 4u]` : `${binding}[at]`};
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }
  `.trim();

/** `packedVector(row, columns, step)`: elements 4 step to 4 step + 3 of a row. */
export const packedVector = (dtype: PackedDType): Snippet => ({
  name: 'packedVector',
  uses: [packedRows(dtype)],
  code: `
    fn packedVector(row: u32, columns: u32, step: u32) -> vec4f {
      let start = rowStart(row, columns);
      let word = weight[start + step / VECTORS] >> (4u * (step % VECTORS));
      return (stored(word) * PLACES - ZERO) * scaleOf(start, rowBlocks(columns), step / 8u);
    }
  `,
});
