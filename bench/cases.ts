import type { FloatDType, WeightDType } from '../src/core/dtype.ts';
import { attention } from '../src/graph/attention.ts';
import { linear } from '../src/graph/linear.ts';
import { matmul } from '../src/graph/matmul.ts';
import { layerNorm, rmsNorm } from '../src/graph/norm.ts';
import { softmax } from '../src/graph/softmax.ts';
import type { BenchCase } from './bench-case.ts';
import { kernelCase } from './kernel-case.ts';

const BOTH: readonly FloatDType[] = ['f32', 'f16'];
const WEIGHTS: readonly WeightDType[] = [...BOTH, 'q8', 'q4'];
const EPS = 1e-5;

/** Every op at shapes that models have; f16 only where weights are read. */
export const kernelCases: readonly BenchCase[] = [
  // ViT-B projections and MLP, then a projection of the built-in model: [rows, inputs, outputs].
  ...WEIGHTS.flatMap((dtype) => [
    linearCase('linear', [197, 768, 768], dtype),
    linearCase('linear', [197, 768, 3072], dtype),
    linearCase('linear', [64, 192, 768], dtype),
    linearCase('matvec', [1, 2048, 2048], dtype),
    linearCase('matvec', [1, 2048, 8192], dtype),
  ]),
  ...BOTH.map((dtype) => matmulCase(512, 512, 512, dtype)),
  rowCase('softmax', 1024, 1024),
  rowCase('layerNorm', 197, 768),
  rowCase('rmsNorm', 197, 768),
  attentionCase({ heads: 12, queries: 197, headDim: 64, causal: false }),
  attentionCase({ heads: 16, queries: 512, headDim: 64, causal: true }),
  decodeAttentionCase({ heads: 32, kvHeads: 8, keys: 1024, headDim: 64 }),
];

/** x [rows, inputs], weight [outputs, inputs]; one row is a decode step's. */
export function linearCase(
  op: string,
  [rows, inputs, outputs]: readonly [number, number, number],
  dtype: WeightDType,
): BenchCase {
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

function matmulCase(m: number, k: number, n: number, dtype: FloatDType): BenchCase {
  const build = (operand: Parameters<Parameters<typeof kernelCase>[0]['build']>[0]) =>
    matmul(operand('a', [m, k]), operand('b', [k, n], dtype));
  return kernelCase({ op: 'matmul', shape: `${m}x${k}x${n}`, dtype, build });
}

export function rowCase(op: 'softmax' | 'layerNorm' | 'rmsNorm', rows: number, cols: number): BenchCase {
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

interface AttentionSizes {
  readonly heads: number;
  readonly queries: number;
  readonly headDim: number;
  readonly causal: boolean;
}

function attentionCase({ heads, queries, headDim, causal }: AttentionSizes): BenchCase {
  const shape = [1, queries, heads, headDim];
  return kernelCase({
    op: causal ? 'attention causal' : 'attention',
    shape: `${heads}x${queries}x${headDim}`,
    dtype: 'f32',
    build: (operand) => attention(operand('q', shape), operand('k', shape), operand('v', shape), { causal }),
  });
}

interface CacheSizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keys: number;
  readonly headDim: number;
}

/** One query against a full cache, several query heads to a key head, as in Llama 3.2 1B. */
function decodeAttentionCase({ heads, kvHeads, keys, headDim }: CacheSizes): BenchCase {
  const cache = [1, keys, kvHeads, headDim];
  return kernelCase({
    op: 'attention decode',
    shape: `${heads}/${kvHeads}x${keys}x${headDim}`,
    dtype: 'f32',
    build: (operand, graph) =>
      attention(operand('q', [1, 1, heads, headDim]), operand('k', cache), operand('v', cache), {
        causal: true,
        past: graph.constant('past', Uint32Array.of(keys - 1), [1]),
      }),
  });
}
