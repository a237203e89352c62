import type { Caps } from '../../core/caps.ts';
import { dim } from '../../core/shape.ts';
import { type AttentionAttrs, attention } from '../../ops/attention.ts';
import { type AttentionPartsAttrs, attentionParts, mergeAttention } from '../../ops/attention-parts.ts';
import { type Op, required } from '../../ops/op.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';

/** A part has this many keys of a full cache at least; joining parts costs a dispatch. */
const LEAST_KEYS = 256;
/** Workgroups that keep an adapter busy, a few for each multiprocessor, or so many for each core that all end together. */
const BUSY_WORKGROUPS = { software: 12, integrated: 64, discrete: 256, unknown: 64 } as const;

/** Least time of a node on this adapter by the cost model; undefined where no kernel serves it. */
export type EstimateMs = (node: IrNode) => number | undefined;

/** One query per row over a long cache: its keys are cut into parts that run side by side, then joined. */
export const attentionPartsRules = (
  { kind }: Pick<Caps, 'kind'>,
  estimateMs: EstimateMs,
): readonly RewriteRule[] => [
  {
    name: 'attention in parts',
    op: attention,
    rewrite(node) {
      const { q, k, v, past, span, mask } = node.inputs;
      const [batch = 0, queries = 0] = q?.shape ?? [];
      const keys = k?.shape[1] ?? 0;
      if (!q || !k || !v || !past || span || mask || queries !== 1) return undefined;
      const { slidingWindow } = node.attrs as AttentionAttrs;
      const seen = Math.min(keys, slidingWindow ?? keys);
      // On a CPU a workgroup serves all query heads of a kv head, on a GPU each has its own.
      const heads = dim((kind === 'software' ? k : q).shape, 2);
      const wanted = Math.ceil(BUSY_WORKGROUPS[kind] / (batch * heads));
      const parts = Math.min(wanted, Math.floor(seen / LEAST_KEYS));
      if (parts < 2) return undefined;
      const y = required(node.outputs, 'y', node.op.name);
      const made = (name: string, shape: readonly number[]): IrTensor => ({
        name: `${name} of ${y.name}`,
        dtype: 'f32',
        shape,
        source: { kind: 'op' },
      });
      const sums = made('parts', [parts, ...q.shape]);
      const stats = made('stats', [parts, ...q.shape.slice(0, 3), 2]);
      const attrs: AttentionPartsAttrs = { ...(node.attrs as AttentionAttrs), parts };
      const cut: IrNode = {
        ...node,
        op: attentionParts as unknown as Op,
        inputs: { q, k, v, past },
        outputs: { y: sums, stats },
        attrs,
      };
      const joined: IrNode = {
        ...node,
        op: mergeAttention as unknown as Op,
        inputs: { parts: sums, stats },
        outputs: { y },
        attrs: { dtype: y.dtype },
        fused: [mergeAttention.name],
      };
      if (estimateMs(joined) === undefined) return undefined;
      // The kernel of the parts may be one that a CPU is slow with.
      const most = kind === 'software' ? (estimateMs(node) ?? 0) : Number.POSITIVE_INFINITY;
      return (estimateMs(cut) ?? Number.POSITIVE_INFINITY) <= most ? { nodes: [cut, joined] } : undefined;
    },
  },
];
