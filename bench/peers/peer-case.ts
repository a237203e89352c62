import { dequantizeRows, quantizeRows } from '../../src/core/block-quantize.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';
import type { Shape } from '../../src/core/shape.ts';
import { operandValues } from '../kernel-case.ts';
import { layerValues } from '../operand-parameters.ts';
import { blockTensors } from './block-tensors.ts';
import { isModelCase, type ModelCase, modelShapeName } from './model-case.ts';

/** One thing that every engine is asked to compute, as plain data: it goes to other processes and pages. */
export type PeerCase = PeerOp & {
  /** All operands and the result; `q4` is the weight alone. */
  readonly dtype: 'f32' | 'f16' | 'q4';
  /** How often a sample does it before it waits once. */
  readonly reps: number;
};

/** All that engines can be asked: an op, a block, or a whole model. */
export type AnyCase = PeerCase | ModelCase;

interface VitSizes {
  readonly seq: number;
  readonly hidden: number;
  readonly heads: number;
  readonly mlp: number;
}

export type PeerOp =
  /** a [m, k] times b [k, n]. */
  | { readonly op: 'matmul'; readonly m: number; readonly k: number; readonly n: number }
  /** x [1, k] times the transpose of weight [n, k]: how checkpoints store it. An engine may store it otherwise. */
  | { readonly op: 'matvec'; readonly k: number; readonly n: number }
  | { readonly op: 'softmax' | 'layernorm'; readonly rows: number; readonly cols: number }
  /** q, k, v [1, seq, heads, headDim]. */
  | {
      readonly op: 'attention';
      readonly heads: number;
      readonly seq: number;
      readonly headDim: number;
      readonly causal: boolean;
    }
  /** A pre-norm layer with biases and exact GELU. x [1, seq, hidden] */
  | ({ readonly op: 'vit block' } & VitSizes)
  /**
   * Its mean square off a target, the gradients of all parameters and AdamW. The result is the losses of the first steps.
   */
  | ({ readonly op: 'train step' } & VitSizes)
  /** One token through Llama layers and the last norm, `past` tokens in the cache. x [1, 1, hidden] */
  | {
      readonly op: 'decoder step';
      readonly hidden: number;
      readonly heads: number;
      readonly kvHeads: number;
      readonly mlp: number;
      readonly layers: number;
      readonly past: number;
    };

export type OpOf<Name extends PeerOp['op']> = Extract<PeerOp, { readonly op: Name }>;

/** eps of every norm here but those in a ViT block. */
export const EPS = 1e-5;
export const VIT_EPS = 1e-6;
export const ROPE_THETA = 10000;

export function shapeName(one: PeerOp | ModelCase): string {
  if (isModelCase(one)) return modelShapeName(one);
  switch (one.op) {
    case 'matmul':
      return `${one.m}x${one.k}x${one.n}`;
    case 'matvec':
      return `${one.k}x${one.n}`;
    case 'softmax':
    case 'layernorm':
      return `${one.rows}x${one.cols}`;
    case 'attention':
      return `${one.heads}x${one.seq}x${one.headDim}${one.causal ? ' causal' : ''}`;
    case 'vit block':
    case 'train step':
      return `${one.seq}x${one.hidden}`;
    default:
      return `${one.layers}x${one.hidden} past=${one.past}`;
  }
}

export const peerCaseName = (one: AnyCase): string => `${one.op} ${shapeName(one)} ${one.dtype}`;

/** Names and shapes of the operands. */
export function tensorsOf(one: PeerOp): Readonly<Record<string, Shape>> {
  switch (one.op) {
    case 'matmul':
      return { a: [one.m, one.k], b: [one.k, one.n] };
    case 'matvec':
      return { x: [1, one.k], weight: [one.n, one.k] };
    case 'softmax':
      return { x: [one.rows, one.cols] };
    case 'layernorm':
      return { x: [one.rows, one.cols], weight: [one.cols], bias: [one.cols] };
    case 'attention': {
      const shape = [1, one.seq, one.heads, one.headDim];
      return { q: shape, k: shape, v: shape };
    }
    default:
      return blockTensors(one);
  }
}

/** An operand's values, the same in every engine; exact in the case's dtype, so that all compute from equal numbers. */
export function caseValues(one: PeerCase, name: string): Float32Array<ArrayBuffer> {
  const shape = tensorsOf(one)[name];
  if (!shape) throw new Error(`${peerCaseName(one)} has no operand "${name}"`);
  const values = isBlock(one) ? layerValues(name, shape) : operandValues(name, shape);
  if (one.dtype === 'f16') return values.map((value) => float16ToFloat32(float32ToFloat16(value)));
  return values;
}

export const isBlock = ({ op }: PeerOp): boolean =>
  op === 'vit block' || op === 'decoder step' || op === 'train step';

/** The values of a q4 weight as Tessera packs them: what the others are given, so that all multiply by the same. */
export function packedValues(values: Float32Array, columns: number): Float64Array {
  return dequantizeRows(quantizeRows(values, columns, 'q4'), columns, 'q4');
}
