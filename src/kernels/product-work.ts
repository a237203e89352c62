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
  /** Vectors of four that a lane hands round by `subgroupBroadcast`. */
  readonly broadcasts?: number;
  readonly lanes: number;
}

/**
 * What it costs to hand a vector round, in multiply-adds: on 4 lanes, SwiftShader's, nearly a load (a matmul of 512 took 229
 * ms with and 128 without), on lavapipe's 8 a shuffle that runs beside them.
 */
const BROADCAST: Readonly<Record<number, number>> = { 4: 64, 8: 4 };

/**
 * Work of a tiling in multiply-adds at the adapter's peak. Fitted to few and noisy runs on lavapipe 25.0.7, so good
 * for an order and not for times:
 * a vec4 load with an address per lane costs as much as 68 multiply-adds of all lanes, and one with a shared address
 * no less (102 by the fit; loops that only load run at one speed with either).
 */
export const softwareWork = (t: SoftwareTiling): number =>
  t.tiles *
  t.steps *
  t.lanes *
  (68 * t.laneLoads +
    102 * t.uniformLoads +
    (BROADCAST[t.lanes] ?? 0) * (t.broadcasts ?? 0) +
    1.5 * t.multiplyAdds);

/** Tiles of one subgroup, with `vectors` times four columns a lane. */
export interface SubgroupTiling {
  readonly lanes: number;
  readonly rows: number;
  readonly vectors: number;
}

/** Why a tile is not offered: on 8 lanes a large one takes lavapipe seconds to compile and fits no cache of code. */
export const tooLarge = ({ lanes, vectors }: SubgroupTiling): string | undefined =>
  lanes === 8 && vectors > 1 ? `${vectors} vectors a lane are too much code for 8 lanes` : undefined;

/** y [m, n], of an inner size k. */
export interface ProductSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Work of `linear_broadcast` and `matmul_broadcast` as a multiple of the least. */
export function subgroupTileWork(
  { m, n, k }: ProductSizes,
  { lanes, rows, vectors }: SubgroupTiling,
  { kind }: Caps,
): number {
  const work = softwareWork({
    tiles: Math.ceil(n / (4 * vectors * lanes)) * Math.ceil(m / rows),
    steps: k / 4,
    laneLoads: 4 * vectors + rows / lanes,
    uniformLoads: 0,
    multiplyAdds: 16 * rows * vectors,
    broadcasts: rows,
    lanes,
  });
  // Each lane of a GPU would read its own far row: never the first choice there.
  return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
}

/** What barriers cost a CPU in a workgroup of more than one SIMD vector of lanes, as measured in `linear_matvec_*`. */
export const LARGE_WORKGROUP = 4;

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
