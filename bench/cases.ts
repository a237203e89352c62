import type { FloatDType, WeightDType } from '../src/core/dtype.ts';
import { type BenchCase, caseName } from './bench-case.ts';
import { attentionCase, decodeAttentionCase, linearCase, matmulCase, rowCase } from './kernel-builders.ts';
import type { KernelCase } from './kernel-case.ts';
import {
  type DecoderSizes,
  decoderSizes,
  LLAMA_135M,
  VIT_B,
  type VisionSizes,
  visionSizes,
} from './model-shapes.ts';
import { smallKernelCases } from './small-kernel-cases.ts';

const BOTH: readonly FloatDType[] = ['f32', 'f16'];
const WEIGHTS: readonly WeightDType[] = [...BOTH, 'q8', 'q4'];
/** Tokens of a prompt that is read, and of the cache a token is written against. */
const PREFILL = 128;
const PAST = 1024;

/** Every op at one shape that models have; other types than f32 only where weights are read. What `--quick` runs. */
export const quickKernelCases: readonly KernelCase[] = [
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

/** The kernels of one layer of a vision tower. */
const visionKernels = ({ seq, hiddenSize: C, intermediateSize: F, numAttentionHeads: H }: VisionSizes) => [
  ...WEIGHTS.flatMap((dtype) => [
    linearCase('linear', [seq, C, C], dtype),
    linearCase('linear', [seq, C, F], dtype),
    linearCase('linear', [seq, F, C], dtype),
  ]),
  rowCase('layerNorm', seq, C),
  attentionCase({ heads: H, queries: seq, headDim: C / H, causal: false }),
];

/** The kernels of one layer of a decoder, for a prompt and for a token. */
const decoderKernels = (sizes: DecoderSizes) => {
  const { hiddenSize: C, intermediateSize: F, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = sizes;
  const matrices = [
    [C, H * D],
    [C, K * D],
    [C, F],
    [F, C],
  ] as const;
  return [
    ...WEIGHTS.flatMap((dtype) =>
      matrices.flatMap(([inputs, outputs]) => [
        linearCase('linear', [PREFILL, inputs, outputs], dtype),
        linearCase('matvec', [1, inputs, outputs], dtype),
      ]),
    ),
    rowCase('rmsNorm', PREFILL, C),
    attentionCase({ heads: H, queries: PREFILL, headDim: D, causal: true }),
    decodeAttentionCase({ heads: H, kvHeads: K, keys: PAST, headDim: D }),
  ];
};

/** Every kernel at the shapes of every model in `model-shapes.ts`. */
export const kernelCases: readonly KernelCase[] = distinct([
  ...quickKernelCases,
  ...visionSizes.flatMap(visionKernels),
  ...decoderSizes.flatMap(decoderKernels),
  // The head of a language model, which is the largest matrix of a small one.
  ...WEIGHTS.map((dtype) => linearCase('matvec', [1, LLAMA_135M.hiddenSize, LLAMA_135M.vocabSize], dtype)),
  rowCase('softmax', VIT_B.numAttentionHeads * VIT_B.seq, VIT_B.seq),
  ...smallKernelCases,
]);

/** Models share shapes: each is timed once. */
export function distinct<Case extends BenchCase>(cases: readonly Case[]): readonly Case[] {
  return [...new Map(cases.map((one) => [caseName(one), one])).values()];
}
