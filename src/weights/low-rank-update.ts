import type { TensorEntry } from './safetensors.ts';

/** W + scale · B A for a weight W [N, K] (Hu et al. 2021, arXiv 2106.09685): what an adapter adds to one tensor. */
export interface LowRankUpdate {
  /** [r, K], or [r, N] where `transposed`. */
  readonly a: TensorEntry;
  /** [N, r], or [K, r] where `transposed`. */
  readonly b: TensorEntry;
  readonly scale: number;
  /** W + scale · (B A)ᵀ: adapters of embedding tables are written so. */
  readonly transposed: boolean;
}

/** Updates by the name of the tensor they are added to. */
export type LowRankUpdates = ReadonlyMap<string, readonly LowRankUpdate[]>;
