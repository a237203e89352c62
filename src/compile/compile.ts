import type { Caps } from '../core/caps.ts';
import type { Graph } from '../graph/graph.ts';
import { callSignature, createChooser } from './choose.ts';
import { fuse } from './fuse.ts';
import { type Ir, type IrNode, lower } from './ir.ts';
import { packWeights } from './pack-weights.ts';
import { placeBuffers } from './place-buffers.ts';
import type { Plan } from './plan.ts';
import { removeDead } from './remove-dead.ts';
import { rewrite } from './rewrite.ts';
import { splitWeightRules } from './rewrites/split-weights.ts';
import { schedule } from './schedule.ts';
import { resolveStorage, type Storage } from './storage.ts';

export interface CompileOptions {
  /** Names given by `named()` to intermediates that become outputs of the plan; nothing is fused over them. */
  readonly keep?: readonly string[];
  /** `false` leaves every op a dispatch of its own. Default true. */
  readonly fuse?: boolean;
}

/**
 * Turns a graph into a plan for one adapter. Pure: needs no device, and the graph is left as it was.
 * Throws UnsupportedError naming the op that no kernel serves, InputError for an unknown name in `keep`.
 */
export function compile(graph: Graph, caps: Caps, options: CompileOptions = {}): Plan {
  const { ir, storage } = prepare(graph, caps, options);
  const choose = createChooser(caps);
  const steps = storage.steps.map((node) => ({ node, choice: choose(node) }));
  return schedule(ir, steps, placeBuffers(ir, storage, caps), caps);
}

/** The distinct calls that `compile` chooses kernels for, by signature: what there is to tune. */
export function kernelCalls(graph: Graph, caps: Caps): ReadonlyMap<string, IrNode> {
  const { storage } = prepare(graph, caps, {});
  return new Map(storage.steps.map((node) => [callSignature(node), node]));
}

function prepare(graph: Graph, caps: Caps, options: CompileOptions): { ir: Ir; storage: Storage } {
  const live = removeDead(lower(graph, options.keep ?? []));
  const split = rewrite(packWeights(live), splitWeightRules(caps.limits.maxStorageBufferBindingSize));
  const ir = options.fuse === false ? split : fuse(split, caps);
  return { ir, storage: resolveStorage(ir) };
}
