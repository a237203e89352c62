import type { FloatDType, WeightDType } from '../src/core/dtype.ts';
import { attention } from '../src/graph/attention.ts';
import { linear } from '../src/graph/linear.ts';
import { matmul } from '../src/graph/matmul.ts';
import { layerNorm, rmsNorm } from '../src/graph/norm.ts';
import { softmax } from '../src/graph/softmax.ts';
import { type KernelCase, kernelCase } from './kernel-case.ts';

/** The eps of torch's norms. */
export const EPS = 1e-5;

/** x [rows, inputs], weight [outputs, inputs]; one row is a decode step's. */
export function linearCase(
  op: string,
  [rows, inputs, outputs]: readonly [number, number, number],
  dtype: WeightDType,
): KernelCase {
  return kernelCase({
    op,
    shape: rows === 1 ? `${inputs}x${outputs}` : `${rows}x${inputs}x${outputs}`,
    dtype,
    build: (operand) =>
      linear(operand('x', [rows, inputs]), operand('weight', [outputs, inputs], dtype), {
        bias: operand('bias', [outputs]),
      }),
  });
}

/** a [m, k], b [k, n]. */
export const matmulCase = (m: number, k: number, n: number, dtype: FloatDType): KernelCase =>
  kernelCase({
    op: 'matmul',
    shape: `${m}x${k}x${n}`,
    dtype,
    build: (operand) => matmul(operand('a', [m, k]), operand('b', [k, n], dtype)),
  });

export function rowCase(op: 'softmax' | 'layerNorm' | 'rmsNorm', rows: number, cols: number): KernelCase {
  return kernelCase({
    op,
    shape: `${rows}x${cols}`,
    dtype: 'f32',
    build(operand) {
      const x = operand('x', [rows, cols]);
      if (op === 'softmax') return softmax(x);
      const weight = operand('weight', [cols]);
      return op === 'rmsNorm' ? rmsNorm(x, weight, EPS) : layerNorm(x, weight, operand('bias', [cols]), EPS);
    },
  });
}

export interface AttentionSizes {
  readonly heads: number;
  readonly queries: number;
  readonly headDim: number;
  readonly causal: boolean;
  /** 1 unless told. */
  readonly batch?: number;
}

/** Every query against every key, or those before it. */
export function attentionCase({ heads, queries, headDim, causal, batch = 1 }: AttentionSizes): KernelCase {
  const shape = [batch, queries, heads, headDim];
  return kernelCase({
    op: causal ? 'attention causal' : 'attention',
    shape: `${batch === 1 ? '' : `${batch}x`}${heads}x${queries}x${headDim}`,
    dtype: 'f32',
    build: (operand) => attention(operand('q', shape), operand('k', shape), operand('v', shape), { causal }),
  });
}

export interface CacheSizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keys: number;
  readonly headDim: number;
}

/** One query against a full cache, several query heads to a key head. */
export const decodeAttentionCase = ({ heads, kvHeads, keys, headDim }: CacheSizes): KernelCase =>
  cacheCase('attention decode', `${heads}/${kvHeads}x${keys}x${headDim}`, { heads, kvHeads, keys, headDim });

/** The same as one of a curve over the tokens in the cache. */
export const growingAttentionCase = (sizes: CacheSizes): KernelCase =>
  cacheCase(
    `attention decode ${sizes.heads}/${sizes.kvHeads}x${sizes.headDim}`,
    `past=${sizes.keys - 1}`,
    sizes,
  );

const cacheCase = (op: string, shape: string, { heads, kvHeads, keys, headDim }: CacheSizes): KernelCase =>
  kernelCase({
    op,
    shape,
    dtype: 'f32',
    build(operand, graph) {
      const cache = [1, keys, kvHeads, headDim];
      return attention(operand('q', [1, 1, heads, headDim]), operand('k', cache), operand('v', cache), {
        causal: true,
        past: graph.constant('past', Uint32Array.of(keys - 1), [1]),
      });
    },
  });
