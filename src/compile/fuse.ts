import type { Ir } from './ir.ts';
import { type RewriteRule, rewrite } from './rewrite.ts';
import { addNormRules } from './rewrites/add-norm.ts';
import { elementwiseChainRules } from './rewrites/elementwise-chain.ts';
import { linearEpilogueRules } from './rewrites/linear-epilogue.ts';

/**
 * Merges nodes that one kernel can compute together; tensors that the plan gives out stay. The linear epilogue goes
 * first: there a sum costs one read, in a kernel of its own it costs a write and two reads more. `groups` are the rules
 * of kernel sets.
 */
export const fuse = (ir: Ir, groups: readonly (readonly RewriteRule[])[] = []): Ir =>
  [linearEpilogueRules, ...groups, addNormRules, elementwiseChainRules].reduce(rewrite, ir);
