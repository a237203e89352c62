import { LEAST_MAGNITUDE, SCALE_DIVISORS } from '../core/block-quantize.ts';
import { DTYPE_BYTES, PACKED_ZERO, type PackedDType, packedRow } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { WEIGHT_FORMAT_BYTES, type WeightFormat } from '../ops/convert-weight.ts';
import { required } from '../ops/op.ts';
import { BLOCKS_PER_PAIR, quantizeWeight } from '../ops/quantize-weight.ts';
import { f32Literal } from '../wgsl/literal.ts';
import { loadElement } from '../wgsl/load-element.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/**
 * Raw rows of a checkpoint to q8 or q4, two blocks a thread, since two scales share a word. The arithmetic is that
 * of core/block-quantize.ts; only the reciprocal of a scale may differ in its last bits, and with it the choice between
 * two integers equally far away.
 */
export const quantizeWeightBlocks = defineKernel({
  name: 'quantize_weight_blocks',
  op: quantizeWeight,
  bindings: { words: 'read', weight: 'read_write', errors: 'write' },
  params: { count: 'u32', columns: 'u32', firstRow: 'u32' },
  tuning: { lanes: [1] },
  prepare({ inputs, attrs }) {
    const { shape } = required(inputs, 'weight', 'quantize_weight_blocks');
    const columns = dim(shape, 1);
    const { blocks } = packedRow('q8', columns);
    const count = attrs.rows * Math.ceil(blocks / BLOCKS_PER_PAIR);
    return { params: { count, columns, firstRow: attrs.firstRow }, variant: { from: attrs.from } };
  },
  supports: () => true,
  elements: () => ({ weight: 'u32', errors: 'vec2<f32>' }),
  wgsl({ variant, dtypes }, t) {
    const dtype = packedDType(dtypes.weight);
    const divisors = SCALE_DIVISORS[dtype];
    return wgsl`
      ${loadElement(variant.from as WeightFormat)}
      const BLOCK_WORDS = ${packedRow(dtype, 1).blockWords}u;
      const ZERO = ${f32Literal(PACKED_ZERO[dtype])};
      const FACTORS = array(${divisors.map((divisor) => f32Literal(1 / divisor)).join(', ')});

      var<private> blockValues: array<f32, 32>;

      ${elementMain(
        t,
        wgsl`
          let blocks = (params.columns + 31u) / 32u;
          let pairs = (blocks + 1u) / 2u;
          let rowWords = blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u);
          let row = i / pairs;
          let start = (params.firstRow + row) * rowWords;
          var scales = 0u;
          var squares = vec2f(0.0);
          for (var side = 0u; side < 2u; side++) {
            let b = 2u * (i % pairs) + side;
            if (b >= blocks) { break; }
            let largest = loadBlock(row * params.columns, 32u * b);
            let scale = chooseScale(largest);
            let scaleBits = bitcast<u32>(scale);
            squares += storeBlock(start + b * BLOCK_WORDS, scale);
            scales |= (scaleBits >> 16u) << (16u * side);
          }
          weight[start + blocks * BLOCK_WORDS + i % pairs] = scales;
          errors[i] = squares;
        `,
      )}

      // Fills the block, with zeros past the row's end; returns its value of largest magnitude.
      fn loadBlock(rowStart: u32, column: u32) -> f32 {
        var largest = 0.0;
        for (var j = 0u; j < 32u; j++) {
          var value = 0.0;
          if (column + j < params.columns) { value = loadElement(rowStart + column + j); }
          blockValues[j] = value;
          largest = select(largest, value, abs(value) > abs(largest));
        }
        return largest;
      }

      fn chooseScale(largest: f32) -> f32 {
        var best = 0.0;
        if (abs(largest) < ${f32Literal(LEAST_MAGNITUDE)}) { return best; }
        var leastError = 0.0;
        for (var c = 0u; c < ${divisors.length}u; c++) {
          // To bfloat16, ties to even.
          let bits = bitcast<u32>(largest * FACTORS[c]);
          let scale = bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
          let inverse = 1.0 / scale;
          var error = 0.0;
          for (var j = 0u; j < 32u; j++) {
            let difference = blockValues[j] - quantized(blockValues[j], inverse) * scale;
            error += difference * difference;
          }
          if (c == 0u || error < leastError) {
            leastError = error;
            best = scale;
          }
        }
        return best;
      }

      fn quantized(value: f32, inverse: f32) -> f32 {
        return clamp(round(value * inverse), -ZERO, ZERO - 1.0);
      }

      // Writes the block's integers; returns the sums of squared errors and of squared values.
      fn storeBlock(start: u32, scale: f32) -> vec2f {
        var squares = vec2f(0.0);
        var inverse = 0.0;
        if (scale != 0.0) { inverse = 1.0 / scale; }
        for (var w = 0u; w < BLOCK_WORDS; w++) {
          var packed = 0u;
          for (var j = 0u; j < 32u / BLOCK_WORDS; j++) {
            let value = blockValues[w * (32u / BLOCK_WORDS) + j];
            let integer = quantized(value, inverse);
            let difference = value - integer * scale;
            squares += vec2f(difference * difference, value * value);
            packed |= ${PLACES[dtype]};
          }
          weight[start + w] = packed;
        }
        return squares;
      }
    `;
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes, variant }) {
    const elements = 64 * params.count;
    const dtype = packedDType(dtypes.weight);
    return {
      flops: 6 * elements * SCALE_DIVISORS[dtype].length,
      bytesRead: elements * WEIGHT_FORMAT_BYTES[variant.from as WeightFormat],
      bytesWritten: elements * DTYPE_BYTES[dtype],
    };
  },
});

const packedDType = (dtype: string | undefined): PackedDType => (dtype === 'q4' ? 'q4' : 'q8');

/** Element j of a word, in place. */
const PLACES: Readonly<Record<PackedDType, string>> = {
  q8: 'u32(integer + ZERO) << (8u * j)',
  q4: 'u32(integer + ZERO) << (8u * (j & 3u) + (j & 4u))',
};
