import type { WeightDType } from '../src/core/dtype.ts';
import { reshape } from '../src/graph/movement.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { clipLayer } from '../src/models/clip/encoder-layer.ts';
import { gemmaDecoder } from '../src/models/gemma/decoder.ts';
import type { LlamaConfig } from '../src/models/llama/config.ts';
import { llamaDecoder } from '../src/models/llama/decoder.ts';
import type { Parameters } from '../src/models/parameters.ts';
import { siglipLayer } from '../src/models/siglip/encoder-layer.ts';
import { growingAttentionCase } from './kernel-builders.ts';
import { type KernelCase, kernelCase } from './kernel-case.ts';
import {
  type DecoderSizes,
  decoderSizes,
  LLAMA_1B,
  LLAMA_135M,
  SIGLIP_SO400M,
  VIT_B,
  VIT_L,
  type VisionSizes,
} from './model-shapes.ts';
import { layerValues, operandParameters } from './operand-parameters.ts';

/** One layer of a vision tower, by the code that models run. x [B, S, C] → [B, S, C] */
export function visionLayer(x: Tensor, sizes: VisionSizes, w: Parameters): Tensor {
  if (sizes.family === 'siglip')
    return siglipLayer(x, { ...sizes, hiddenAct: 'gelu_pytorch_tanh', layerNormEps: 1e-6 }, w);
  return clipLayer(x, { ...sizes, hiddenAct: 'gelu', layerNormEps: 1e-6 }, w, { causal: false });
}

/** Layers of a decoder and their final norm, over a cache of `past` tokens and room for more. */
export interface DecoderSteps {
  readonly layers: number;
  readonly past: number;
  readonly capacity: number;
}

/** x [1, S, C] → [1, S, C]; the cache is in the states `kv.N.key` and `kv.N.value`. */
export function decoderLayers(
  x: Tensor,
  sizes: DecoderSizes,
  { layers, past, capacity }: DecoderSteps,
  w: Parameters,
): Tensor {
  const { graph } = x;
  const [, seq = 1] = x.shape;
  const config: LlamaConfig = {
    ...sizes,
    numHiddenLayers: layers,
    hiddenAct: sizes.family === 'gemma' ? 'gelu_pytorch_tanh' : 'silu',
    maxPositionEmbeddings: capacity,
    rmsNormEps: 1e-5,
    tieWordEmbeddings: true,
    qkvBias: false,
    outputBias: false,
    mlpBias: false,
    slidingWindows: new Array<null>(layers).fill(null),
    rope: { ropeType: 'default', theta: 10000, rotaryDim: sizes.headDim },
  };
  const pass = {
    positions: graph.constant(
      'positions',
      Uint32Array.from({ length: seq }, (_, i) => past + i),
      [1, seq],
    ),
    past: graph.constant('past', Uint32Array.of(past), [1]),
    capacity,
    kvCacheDType: 'f32' as const,
  };
  const decode = sizes.family === 'gemma' ? gemmaDecoder : llamaDecoder;
  return decode(x, config, w, pass);
}

export function visionCase(sizes: VisionSizes, dtype: WeightDType, batch = 1): KernelCase {
  const shape = [batch, sizes.seq, sizes.hiddenSize];
  return kernelCase({
    op: `${sizes.name} layer`,
    shape: shape.join('x'),
    dtype,
    values: layerValues,
    build: (operand) => visionLayer(operand('x', shape), sizes, operandParameters(operand, dtype)),
  });
}

/** `seq` tokens at once over `past` others in the cache; one token is a decode step. */
export function decoderCase(sizes: DecoderSizes, dtype: WeightDType, seq: number, past: number): KernelCase {
  const steps = { layers: 1, past, capacity: past + seq };
  return kernelCase({
    op: `${sizes.name} layer, ${seq === 1 ? 'decode' : 'prefill'}`,
    shape: seq === 1 ? `past=${past}` : `S=${seq}`,
    dtype,
    values: layerValues,
    build(operand) {
      const y = decoderLayers(
        operand('x', [1, seq, sizes.hiddenSize]),
        sizes,
        steps,
        operandParameters(operand, dtype),
      );
      return reshape(y, [seq, sizes.hiddenSize]);
    },
  });
}

const BOTH: readonly WeightDType[] = ['f32', 'f16'];
const WEIGHTS: readonly WeightDType[] = [...BOTH, 'q8', 'q4'];

export const quickBlockCases: readonly KernelCase[] = [
  ...BOTH.map((dtype) => visionCase(VIT_B, dtype)),
  ...WEIGHTS.map((dtype) => decoderCase(LLAMA_135M, dtype, 1, 256)),
];

/** A layer of every model in `model-shapes.ts`. */
export const blockCases: readonly KernelCase[] = [
  ...quickBlockCases,
  ...BOTH.flatMap((dtype) => [VIT_L, SIGLIP_SO400M].map((sizes) => visionCase(sizes, dtype))),
  ...WEIGHTS.flatMap((dtype) =>
    decoderSizes.flatMap((sizes) => [
      decoderCase(sizes, dtype, 128, 0),
      ...(sizes === LLAMA_135M ? [] : [decoderCase(sizes, dtype, 1, 256)]),
    ]),
  ),
];

/** Tokens in a cache. */
const PASTS = [64, 256, 1024, 2048, 4096, 8192];

/** How time grows: with the tokens of a prompt, the tokens before one, the pictures at once. One curve per op. */
export const growthCases: readonly KernelCase[] = [
  ...[16, 32, 64, 128, 256, 512].map((seq) => decoderCase(LLAMA_135M, 'f32', seq, 0)),
  ...PASTS.map((past) => decoderCase(LLAMA_135M, 'f32', 1, past)),
  ...[LLAMA_135M, LLAMA_1B].flatMap(({ numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim }) =>
    PASTS.map((past) => growingAttentionCase({ heads, kvHeads, keys: past + 1, headDim })),
  ),
  ...[1, 2, 4, 8].map((pictures) => visionCase(VIT_B, 'f32', pictures)),
];
