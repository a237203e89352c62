import { attentionGroup, attentionGroupParts } from './attention-group.ts';
import { attentionPaged } from './attention-paged.ts';
import { attentionQueryParts } from './attention-query.ts';
import type { Kernel } from './kernel.ts';
import {
  linearGroupMatvecLanes,
  linearGroupMatvecSubgroup,
  linearGroupMatvecWorkgroup,
} from './linear-group-matvec.ts';
import { linearGroupPackedBroadcast } from './linear-group-packed-broadcast.ts';
import {
  linearGroupPackedMatvecSubgroup,
  linearGroupPackedMatvecWorkgroup,
} from './linear-group-packed-matvec.ts';
import { markSeenScatter } from './mark-seen-scatter.ts';
import { mergeAttentionRow } from './merge-attention-row.ts';
import { pagedAppendRows } from './paged-append-rows.ts';
import {
  qkvAppendMatvecLanes,
  qkvAppendMatvecSubgroup,
  qkvAppendMatvecWorkgroup,
} from './qkv-append-matvec.ts';
import { qkvAppendPackedBroadcast } from './qkv-append-packed-broadcast.ts';
import { qkvAppendPackedMatvecSubgroup, qkvAppendPackedMatvecWorkgroup } from './qkv-append-packed-matvec.ts';
import { ropeAppendPairs } from './rope-append-pairs.ts';
import { sampleTokenRadix } from './sample-token-radix.ts';

/** Kernels of what only generation asks for: steps of one token made of fewer dispatches, paged caches, sampling. */
export const DECODING_KERNELS: readonly Kernel[] = [
  attentionGroup,
  attentionGroupParts,
  attentionPaged,
  attentionQueryParts,
  linearGroupMatvecLanes,
  linearGroupMatvecSubgroup,
  linearGroupMatvecWorkgroup,
  linearGroupPackedBroadcast,
  linearGroupPackedMatvecSubgroup,
  linearGroupPackedMatvecWorkgroup,
  markSeenScatter,
  mergeAttentionRow,
  pagedAppendRows,
  qkvAppendMatvecLanes,
  qkvAppendMatvecSubgroup,
  qkvAppendMatvecWorkgroup,
  qkvAppendPackedBroadcast,
  qkvAppendPackedMatvecSubgroup,
  qkvAppendPackedMatvecWorkgroup,
  ropeAppendPairs,
  sampleTokenRadix,
];
