import { attention } from '../../graph/attention.ts';
import { linear } from '../../graph/linear.ts';
import { reshape, slice } from '../../graph/movement.ts';
import { rope } from '../../graph/rope.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { TokenRope } from './axial-rope.ts';

export interface PackedAttentionConfig {
  readonly hiddenSize: number;
  readonly numHeads: number;
}

/**
 * Self-attention of a picture's patches with rotary positions, q, k and v from one matrix. Each patch sees all, or those
 * of its `span` [1, P, 2] alone. Weights `qkv`, `proj`. x [1, P, C] → [1, P, C]
 */
export function packedAttention(
  x: Tensor,
  config: PackedAttentionConfig,
  w: Parameters,
  tables: TokenRope,
  span?: Tensor,
): Tensor {
  const { hiddenSize: C, numHeads: H } = config;
  const [, P = 0] = x.shape;
  const qkv = linear(x, w.get('qkv.weight', [3 * C, C]), { bias: w.get('qkv.bias', [3 * C]) }); // [1, P, 3C]
  const heads = (part: number): Tensor => reshape(slice(qkv, 2, part * C, (part + 1) * C), [1, P, H, C / H]);
  const turned = (part: number): Tensor => rope(heads(part), tables.cos, tables.sin, tables.positions);
  const y = attention(turned(0), turned(1), heads(2), { span }); // [1, P, H, D]
  return linear(reshape(y, [1, P, C]), w.get('proj.weight', [C, C]), { bias: w.get('proj.bias', [C]) });
}
