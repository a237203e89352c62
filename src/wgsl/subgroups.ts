import type { Snippet } from './wgsl.ts';

/** Enables the subgroup built-ins; defines nothing. */
export const subgroups: Snippet = { name: 'subgroups', code: '', requires: ['subgroups'] };

/** From the lane whose number differs in the bits of the index. */
const QUAD_SWAPS = ['', 'quadSwapX', 'quadSwapY', 'quadSwapDiagonal'];

/** `value` of the lane whose number differs in `bits`, which are not 0. Where four lanes are all, it is a single shuffle. */
export const swapped = (value: string, bits: number, lanes: number): string =>
  lanes === 4 ? `${QUAD_SWAPS[bits]}(${value})` : `subgroupShuffleXor(${value}, ${bits}u)`;

/**
 * `value` as lane `n` of a subgroup has it. On 4 lanes, which are SwiftShader's, as the lane has it whose number differs from
 * the own in the bits of `n`: each meets the values in an order of its own. That is a single shuffle there, a broadcast 28
 * instructions.
 */
export function handedRound(value: string, n: number, lanes: number): string {
  if (lanes !== 4) return `subgroupBroadcast(${value}, ${n}u)`;
  return n === 0 ? value : swapped(value, n, lanes);
}
