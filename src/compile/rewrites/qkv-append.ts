import type { Caps } from '../../core/caps.ts';
import { type LinearGroupAttrs, linearGroup } from '../../ops/linear-group.ts';
import type { Op } from '../../ops/op.ts';
import { qkvAppend } from '../../ops/qkv-append.ts';
import { ropeAppend } from '../../ops/rope-append.ts';
import type { IrNode } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';
import type { EstimateMs } from './attention-parts.ts';

/**
 * How much longer than the products alone one dispatch may take on a CPU, by the estimates. Rope and cache took a twentieth of
 * the products' time of SmolLM2 on lavapipe, and more than a tenth where weights are packed. With f16 one dispatch and two
 * took equally long there, and two are faster to compile.
 */
const MOST_ON_CPU: Readonly<Record<string, number>> = { f32: 1.05, f16: 1, q8: 1.1, q4: 1.1 };

/** The products of queries, keys and values, and what puts them in their places, where the adapter binds it all at once. */
export const qkvAppendRules = (
  { kind }: Pick<Caps, 'kind'>,
  estimateMs: EstimateMs,
): readonly RewriteRule[] => [
  {
    name: 'q, k, v + rope + cache in one',
    op: ropeAppend,
    rewrite(node, around) {
      const products = around.soleProducer(node.inputs.x, linearGroup);
      if (!products) return undefined;
      const { join, norm } = products.attrs as LinearGroupAttrs;
      if (join !== 'rows') return undefined;
      const merged: IrNode = {
        ...node,
        op: qkvAppend as unknown as Op,
        inputs: { ...node.inputs, ...products.inputs },
        attrs: { ...node.attrs, norm },
        fused: [...products.fused, ...node.fused],
      };
      const apart = estimateMs(products);
      const together = estimateMs(merged);
      if (apart === undefined || together === undefined) return undefined;
      // A GPU waits between dispatches for longer than it turns a vector.
      const most =
        kind === 'software'
          ? (MOST_ON_CPU[products.inputs.w0?.dtype ?? 'f32'] ?? 1)
          : Number.POSITIVE_INFINITY;
      return together <= most * apart ? { absorbed: [products], nodes: [merged] } : undefined;
    },
  },
];
