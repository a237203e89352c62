import type { Caps } from '../core/caps.ts';
import { isServed } from './choose.ts';
import type { Ir, IrNode } from './ir.ts';
import { rewrite } from './rewrite.ts';
import { addNormRules } from './rewrites/add-norm.ts';
import { attentionPartsRules } from './rewrites/attention-parts.ts';
import { elementwiseChainRules } from './rewrites/elementwise-chain.ts';
import { linearEpilogueRules } from './rewrites/linear-epilogue.ts';
import { linearGroupRules, normGroupRules } from './rewrites/linear-group.ts';

/**
 * Merges nodes that one kernel can compute together; tensors that the plan gives out stay. The linear epilogue goes
 * first: there a sum costs one read, in a kernel of its own it costs a write and two reads more. Without `caps` nothing
 * is merged that kernels of some adapters do not serve.
 */
export const fuse = (ir: Ir, caps?: Caps): Ir =>
  [linearEpilogueRules, ...(caps ? groupRules(caps) : []), addNormRules, elementwiseChainRules].reduce(
    rewrite,
    ir,
  );

function groupRules(caps: Caps) {
  const serves = (node: IrNode): boolean => isServed(node, caps);
  // On a CPU the vector's norm is read again for every few sums, which costs more than a dispatch of its own.
  const norms = caps.kind === 'software' ? [] : [normGroupRules(serves)];
  return [linearGroupRules(serves), ...norms, attentionPartsRules(caps, serves)];
}
