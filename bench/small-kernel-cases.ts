import type { Shape } from '../src/core/shape.ts';
import { conv2d } from '../src/graph/conv2d.ts';
import { embedding } from '../src/graph/embedding.ts';
import type { Graph } from '../src/graph/graph.ts';
import { interpolate } from '../src/graph/interpolate.ts';
import { activation, add, mul } from '../src/graph/math.ts';
import { cast, concat, permute, slice } from '../src/graph/movement.ts';
import { addLayerNorm, addRmsNorm } from '../src/graph/norm.ts';
import { patchify } from '../src/graph/patchify.ts';
import { adaptiveAvgPool2d, avgPool2d } from '../src/graph/pooling.ts';
import { argmax, reduceMean } from '../src/graph/reduce.ts';
import { rope } from '../src/graph/rope.ts';
import { sampleToken } from '../src/graph/sampling.ts';
import { spliceRows } from '../src/graph/splice-rows.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { encodeSampling } from '../src/ops/sampling.ts';
import { EPS } from './kernel-builders.ts';
import { type KernelCase, kernelCase, type Operand } from './kernel-case.ts';
import { LLAMA_1B, LLAMA_135M, VIT_B, VIT_L } from './model-shapes.ts';

const SAMPLING = encodeSampling({
  temperature: 0.7,
  topK: 50,
  topP: 0.9,
  minP: 0,
  repetitionPenalty: 1,
  seed: 1,
  step: 0,
});

const shapeName = (shape: Shape): string => shape.join('x');

function smallCase(
  op: string,
  shape: Shape,
  build: (x: Tensor, operand: Operand, graph: Graph) => Tensor,
): KernelCase {
  return kernelCase({
    op,
    shape: shapeName(shape),
    dtype: 'f32',
    build: (operand, graph) => build(operand('x', shape), operand, graph),
  });
}

const PROMPT = 128;
const { hiddenSize: visionWidth, seq, intermediateSize: visionMlp } = VIT_B;
const { hiddenSize: width, intermediateSize: mlp, numAttentionHeads: heads, headDim } = LLAMA_1B;
const { vocabSize } = LLAMA_135M;
const indices = (graph: Graph, name: string, count: number, most: number): Tensor =>
  graph.constant(
    name,
    Uint32Array.from({ length: count }, (_, i) => (i * 7919) % most),
    [1, count],
  );

/** What lies between the products: each moves memory, none is bound by arithmetic. */
export const smallKernelCases: readonly KernelCase[] = [
  smallCase('add + layerNorm', [seq, visionWidth], (x, operand) => {
    const residual = operand('residual', [seq, visionWidth]);
    return addLayerNorm(x, residual, operand('w', [visionWidth]), operand('b', [visionWidth]), EPS).y;
  }),
  smallCase(
    'add + rmsNorm',
    [PROMPT, width],
    (x, operand) => addRmsNorm(x, operand('residual', [PROMPT, width]), operand('w', [width]), EPS).y,
  ),
  smallCase('add', [seq, visionWidth], (x, operand) => add(x, operand('y', [seq, visionWidth]))),
  smallCase('gelu', [seq, visionMlp], (x) => activation(x, 'gelu')),
  smallCase('silu * up', [PROMPT, mlp], (x, operand) =>
    mul(activation(x, 'silu'), operand('up', [PROMPT, mlp])),
  ),
  smallCase('rope', [1, PROMPT, heads, headDim], (x, operand, graph) => {
    const table = [PROMPT, headDim / 2];
    return rope(x, operand('cos', table), operand('sin', table), indices(graph, 'at', PROMPT, PROMPT));
  }),
  smallCase('embedding', [vocabSize, LLAMA_135M.hiddenSize], (x, _, graph) =>
    embedding(indices(graph, 'ids', PROMPT, vocabSize), x, { dtype: 'f32' }),
  ),
  smallCase('patchify', [1, 3, 224, 224], (x) => patchify(x, { patchSize: 16 })),
  smallCase('conv2d 3x3', [1, 64, 24, 24], (x, operand) =>
    conv2d(x, operand('w', [64, 64, 3, 3]), { padding: 1 }),
  ),
  smallCase('avgPool2d', [1, VIT_L.hiddenSize, 24, 24], (x) => avgPool2d(x, { kernel: [2, 2] })),
  smallCase('adaptiveAvgPool2d', [1, VIT_L.hiddenSize, 24, 24], (x) => adaptiveAvgPool2d(x, [8, 8])),
  smallCase('interpolate', [1, visionWidth, 14, 14], (x) =>
    interpolate(x, { size: [16, 16], mode: 'bicubic' }),
  ),
  smallCase('permute', [seq, 12, 64], (x) => permute(x, [1, 0, 2])),
  smallCase('slice', [1, seq, visionWidth], (x) => slice(x, 1, 1)),
  smallCase('concat', [1, seq, visionWidth], (x, operand) =>
    concat([operand('first', [1, 1, visionWidth]), x], 1),
  ),
  smallCase('cast', [seq, visionWidth], (x) => cast(x, 'i32')),
  smallCase('mean of rows', [seq, visionWidth], (x) => reduceMean(x, -1)),
  smallCase('mean of columns', [seq, visionWidth], (x) => reduceMean(x, 0)),
  smallCase('splice rows', [1, PROMPT, width], (x, operand, graph) =>
    spliceRows(
      x,
      operand('rows', [64, width]),
      graph.constant(
        'rowOf',
        Int32Array.from({ length: PROMPT }, (_, i) => (i < 64 ? i : -1)),
        [1, PROMPT],
      ),
    ),
  ),
  smallCase('argmax', [1, vocabSize], (x) => argmax(x)),
  smallCase('sample', [1, vocabSize], (x, _, graph) =>
    sampleToken(x, graph.constant('sampling', SAMPLING, [1, SAMPLING.length])),
  ),
];
