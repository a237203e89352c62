import type { Caps } from '../core/caps.ts';
import type { Graph } from '../graph/graph.ts';
import { callSignature, createChooser, estimateMs } from './choose.ts';
import { fuse } from './fuse.ts';
import { type Ir, type IrNode, lower } from './ir.ts';
import type { KernelSet } from './kernel-sets.ts';
import { packWeights } from './pack-weights.ts';
import { placeBuffers } from './place-buffers.ts';
import type { Plan } from './plan.ts';
import { removeDead } from './remove-dead.ts';
import { type RewriteRule, rewrite } from './rewrite.ts';
import { splitWeightRules } from './rewrites/split-weights.ts';
import { schedule } from './schedule.ts';
import { resolveStorage, type Storage } from './storage.ts';

/** What must stay readable, and whether ops are merged. */
export interface CompileOptions {
  /** Names given by `named()` to intermediates that become outputs of the plan; nothing is fused over them. */
  readonly keep?: readonly string[];
  /** `false` leaves every op a dispatch of its own. Default true. */
  readonly fuse?: boolean;
}

/**
 * Turns a graph into a plan for one adapter, of the kernels in `sets`. Pure: needs no device, and the graph is left as it
 * was. Throws UnsupportedError naming the op that no kernel serves, InputError for an unknown name in `keep`.
 */
export function compileWith(
  sets: readonly KernelSet[],
  graph: Graph,
  caps: Caps,
  options: CompileOptions = {},
): Plan {
  const { ir, storage } = prepare(sets, graph, caps, options);
  const choose = createChooser(caps, kernelsOf(sets));
  const steps = storage.steps.map((node) => ({ node, choice: choose(node) }));
  return schedule(ir, steps, placeBuffers(ir, storage, caps), caps);
}

/** The distinct calls that `compileWith` chooses kernels for, by signature: what there is to tune. */
export function kernelCallsWith(
  sets: readonly KernelSet[],
  graph: Graph,
  caps: Caps,
): ReadonlyMap<string, IrNode> {
  const { storage } = prepare(sets, graph, caps, {});
  return new Map(storage.steps.map((node) => [callSignature(node), node]));
}

export const kernelsOf = (sets: readonly KernelSet[]) => sets.flatMap(({ kernels }) => kernels);

function prepare(
  sets: readonly KernelSet[],
  graph: Graph,
  caps: Caps,
  options: CompileOptions,
): { ir: Ir; storage: Storage } {
  const live = removeDead(lower(graph, options.keep ?? []));
  const split = rewrite(packWeights(live), splitWeightRules(caps.limits.maxStorageBufferBindingSize));
  const ir = options.fuse === false ? split : fuse(split, groupRules(sets, caps));
  return { ir, storage: resolveStorage(ir) };
}

/** The rules that `sets` bring for this adapter. */
export function groupRules(sets: readonly KernelSet[], caps: Caps): readonly (readonly RewriteRule[])[] {
  const kernels = kernelsOf(sets);
  const estimate = (node: IrNode): number | undefined => estimateMs(node, caps, kernels);
  return sets.flatMap(({ rewrites }) => rewrites?.(caps, estimate) ?? []);
}
