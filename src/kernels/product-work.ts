import type { Caps } from '../core/caps.ts';

/** 0, 1, ... count - 1: to write out registers by number. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** One way to compute a product of matrices on lanes of a CPU, per step of its inner loop. */
export interface SoftwareTiling {
  /** Tiles in all, each on `lanes` lanes. */
  readonly tiles: number;
  readonly steps: number;
  /** Loads whose address differs between lanes. */
  readonly laneLoads: number;
  /** Loads whose address all lanes share. */
  readonly uniformLoads: number;
  /** Multiply-adds of one lane. */
  readonly multiplyAdds: number;
  readonly lanes: number;
}

/**
 * Work of a tiling in multiply-adds at the adapter's peak. Fitted to few and noisy runs on lavapipe 25.0.7, so good
 * for an order and not for times:
 * a vec4 load with an address per lane costs as much as 68 multiply-adds of all lanes, and one with a shared address
 * 102, since inside a loop the driver first looks for a lane that is still running.
 */
export const softwareWork = (t: SoftwareTiling): number =>
  t.tiles * t.steps * t.lanes * (68 * t.laneLoads + 102 * t.uniformLoads + 1.5 * t.multiplyAdds);

/** Whether a workgroup of `lanes` threads is exactly one subgroup on the adapter. */
export const hasSubgroupsOf = (
  lanes: number,
  { features, subgroupMinSize, subgroupMaxSize }: Caps,
): boolean => features.subgroups && subgroupMinSize === lanes && subgroupMaxSize === lanes;

/** Tiles of a product through workgroup memory. */
export interface WorkgroupTiling {
  readonly m: number;
  readonly n: number;
  readonly tileM: number;
  readonly tileN: number;
  readonly kind: Caps['kind'];
}

/** Fewer tiles than this leave parts of a GPU idle. */
const BUSY_TILES = 64;

/**
 * Share of a tiling's work that is padding, as a multiplier of the least time; smaller tiles load more for each
 * multiply-add. On a CPU a barrier is a coroutine switch: 10 times the least time and more, as measured on lavapipe.
 */
export function tileWork({ m, n, tileM, tileN, kind }: WorkgroupTiling): number {
  const tiles = Math.ceil(m / tileM) * Math.ceil(n / tileN);
  const padded = (tiles * tileM * tileN) / (m * n);
  const loads = 1 + 16 / tileM + 16 / tileN;
  const idle = Math.max(1, BUSY_TILES / tiles);
  return padded * loads * idle * (kind === 'software' ? 20 : 1);
}
