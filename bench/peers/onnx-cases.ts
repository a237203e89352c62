import { quantizeRows } from '../../src/core/block-quantize.ts';
import { BLOCK_SIZE, packedRow } from '../../src/core/dtype.ts';
import { bfloat16ToFloat32 } from '../../src/core/float16.ts';
import type { Shape } from '../../src/core/shape.ts';
import { onnxDecoderStep, onnxVitBlock } from './onnx-blocks.ts';
import { type OnnxGraph, onnxGraph } from './onnx-graph.ts';
import { caseValues, EPS, isBlock, type OpOf, type PeerCase, tensorsOf } from './peer-case.ts';

/** A result in a graph. */
export interface OnnxResult {
  readonly name: string;
  readonly shape: Shape;
  /** From the graph's order to that of the case: attention over plain ops leaves heads outermost. */
  readonly headsFirst?: { readonly heads: number; readonly seq: number; readonly headDim: number };
}

/** Attention and blocks have a form of fused ops and one of plain ops. */
export const onnxVariants = ({ op, dtype }: PeerCase): number => {
  if (op === 'train step') return 0;
  if (op === 'attention' || op === 'vit block') return 2;
  return dtype === 'q4' && op !== 'matvec' ? 0 : 1;
};

/** The whole result of the case, once. */
export function onnxOnce(
  one: PeerCase,
  variant: number,
): { readonly model: Uint8Array; readonly result: OnnxResult } {
  const graph = onnxGraph(floatOf(one));
  const result = addCase(graph, one, variant);
  return { model: graph.encode(result.name, result.shape), result };
}

/**
 * The case `reps` times, and of each result one element: a session waits after every run, and reading whole results back
 * is not what is timed.
 */
export function onnxRepeated(one: PeerCase, variant: number): Uint8Array {
  const graph = onnxGraph(floatOf(one));
  const picks: string[] = [];
  for (let i = 0; i < one.reps; i++) {
    const { name, shape } = addCase(graph, one, variant);
    const zeros = shape.map(() => 0);
    const begin = graph.constant('begin', [shape.length], 'i64', zeros);
    const end = graph.constant(
      'end',
      [shape.length],
      'i64',
      zeros.map(() => 1),
    );
    const flat = graph.constant('flat', [1], 'i64', [1]);
    picks.push(graph.node('Reshape', [graph.node('Slice', [name, begin, end]), flat]));
  }
  const [first = ''] = picks;
  return graph.encode(picks.length === 1 ? first : graph.node('Concat', picks, { axis: 0 }), [one.reps]);
}

const floatOf = ({ dtype }: PeerCase): 'f32' | 'f16' => (dtype === 'f16' ? 'f16' : 'f32');

function addCase(graph: OnnxGraph, one: PeerCase, variant: number): OnnxResult {
  if (one.op === 'train step') throw new Error('ONNX Runtime does not train here');
  const float = floatOf(one);
  const shapes = tensorsOf(one);
  const of = (name: string): string => graph.constant(name, shapes[name] ?? [], float, caseValues(one, name));
  /** A weight [outputs, inputs] as MatMul takes it. */
  const turned = (name: string): string => {
    const [outputs = 0, inputs = 0] = shapes[name] ?? [];
    return graph.constant(name, [inputs, outputs], float, transposed(caseValues(one, name), outputs, inputs));
  };
  switch (one.op) {
    case 'matmul':
      return { name: graph.node('MatMul', [of('a'), of('b')]), shape: [one.m, one.n] };
    case 'matvec': {
      const name =
        one.dtype === 'q4'
          ? packedMatvec(graph, one, of('x'))
          : graph.node('MatMul', [of('x'), turned('weight')]);
      return { name, shape: [1, one.n] };
    }
    case 'softmax':
      return { name: graph.node('Softmax', [of('x')], { axis: -1 }), shape: [one.rows, one.cols] };
    case 'layernorm': {
      const attributes = { axis: -1, epsilon: { f: EPS } };
      const name = graph.node('LayerNormalization', [of('x'), of('weight'), of('bias')], attributes);
      return { name, shape: [one.rows, one.cols] };
    }
    case 'attention':
      return variant === 0 ? fusedAttention(graph, one, of) : plainAttention(graph, one, float);
    case 'vit block':
      return { name: onnxVitBlock(graph, one, { of, turned }, variant), shape: [1, one.seq, one.hidden] };
    default:
      return {
        name: onnxDecoderStep(graph, one, { of, turned }, cacheOf(graph, one)),
        shape: [1, 1, one.hidden],
      };
  }
}

/** Whether the session gets x as an input: constants alone would be folded into a constant by the optimizer. */
export const takesInput = isBlock;

/** [rows, columns] → [columns, rows] */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column] ?? 0;
  return out;
}

/** Tessera's own q4 integers and scales in the layout of MatMulNBits, so that both multiply by the same numbers. */
function packedMatvec(graph: OnnxGraph, one: OpOf<'matvec'> & PeerCase, x: string): string {
  const { k, n } = one;
  const words = quantizeRows(caseValues(one, 'weight'), k, 'q4');
  const row = packedRow('q4', k);
  const integers = new Uint8Array((n * k) / 2);
  const scales = new Float32Array((n * k) / BLOCK_SIZE);
  for (let i = 0; i < n * k; i++) {
    const [block, within] = [Math.floor((i % k) / BLOCK_SIZE), i % BLOCK_SIZE];
    const start = Math.floor(i / k) * row.words;
    const word = words[start + block * row.blockWords + (within >> 3)] ?? 0;
    const integer = (word >>> (8 * (within & 3) + (within & 4))) & 15;
    integers[i >> 1] = (integers[i >> 1] ?? 0) | (integer << (4 * (i & 1)));
    const scaleWord = words[start + row.blocks * row.blockWords + (block >> 1)] ?? 0;
    scales[Math.floor(i / BLOCK_SIZE)] = bfloat16ToFloat32((scaleWord >>> (16 * (block & 1))) & 0xffff);
  }
  const blocks = k / BLOCK_SIZE;
  const inputs = [
    x,
    graph.constant('integers', [n, blocks, BLOCK_SIZE / 2], 'u8', integers),
    graph.constant('scales', [n * blocks], 'f32', scales),
  ];
  return graph.node('MatMulNBits', inputs, {
    K: k,
    N: n,
    bits: 4,
    block_size: BLOCK_SIZE,
    accuracy_level: 0,
  });
}

function fusedAttention(graph: OnnxGraph, one: OpOf<'attention'>, of: (name: string) => string): OnnxResult {
  const { heads, seq, headDim, causal } = one;
  const width = graph.constant('width', [3], 'i64', [1, seq, heads * headDim]);
  const inputs = ['q', 'k', 'v'].map((name) => graph.node('Reshape', [of(name), width]));
  const shape = [1, seq, heads * headDim];
  if (!causal) return { name: graph.node('MultiHeadAttention', inputs, { num_heads: heads }), shape };
  const last = graph.constant('last', [1], 'i32', [seq - 1]);
  const total = graph.constant('total', [1], 'i32', [seq]);
  const attributes = { num_heads: heads, kv_num_heads: heads };
  return { name: graph.node('GroupQueryAttention', [...inputs, '', '', last, total], attributes, 3), shape };
}

/** Operands lie ready for the products, as they would where the projections before them wrote them. */
function plainAttention(
  graph: OnnxGraph,
  one: OpOf<'attention'> & PeerCase,
  float: 'f32' | 'f16',
): OnnxResult {
  const { heads, seq, headDim, causal } = one;
  const moved = (name: string, keysLast: boolean): string => {
    const values = caseValues(one, name);
    const out = new Float32Array(values.length);
    for (let i = 0; i < out.length; i++) {
      const [d, h, s] = [i % headDim, Math.floor(i / headDim) % heads, Math.floor(i / (headDim * heads))];
      out[h * seq * headDim + (keysLast ? d * seq + s : s * headDim + d)] = values[i] ?? 0;
    }
    return graph.constant(
      `${name} moved`,
      [heads, ...(keysLast ? [headDim, seq] : [seq, headDim])],
      float,
      out,
    );
  };
  const scale = graph.constant('scale', [1], float, [1 / Math.sqrt(headDim)]);
  let scores = graph.node('Mul', [graph.node('MatMul', [moved('q', false), moved('k', true)]), scale]);
  if (causal) {
    const mask = Float32Array.from({ length: seq * seq }, (_, i) =>
      i % seq <= Math.floor(i / seq) ? 0 : -1e4,
    );
    scores = graph.node('Add', [scores, graph.constant('mask', [1, seq, seq], float, mask)]);
  }
  const y = graph.node('MatMul', [graph.node('Softmax', [scores], { axis: -1 }), moved('v', false)]);
  return { name: y, shape: [heads, seq, headDim], headsFirst: { heads, seq, headDim } };
}

/** Keys or values of a layer as GroupQueryAttention takes them: [1, K, past, D]. */
const cacheOf =
  (graph: OnnxGraph, one: OpOf<'decoder step'> & PeerCase) =>
  (name: string): string => {
    const { past, kvHeads, hidden, heads } = one;
    const D = hidden / heads;
    const values = caseValues(one, name);
    const out = new Float32Array(values.length);
    for (let i = 0; i < out.length; i++) {
      const [d, k, s] = [i % D, Math.floor(i / D) % kvHeads, Math.floor(i / (D * kvHeads))];
      out[(k * past + s) * D + d] = values[i] ?? 0;
    }
    return graph.constant(name, [1, kvHeads, past, D], 'f32', out);
  };
