import type { Caps } from '../core/caps.ts';
import type { Graph } from '../graph/graph.ts';
import { createChooser } from './choose.ts';
import { fuse } from './fuse.ts';
import { lower } from './ir.ts';
import { packWeights } from './pack-weights.ts';
import { placeBuffers } from './place-buffers.ts';
import type { Plan } from './plan.ts';
import { removeDead } from './remove-dead.ts';
import { rewrite } from './rewrite.ts';
import { splitWeightRules } from './rewrites/split-weights.ts';
import { schedule } from './schedule.ts';
import { resolveStorage } from './storage.ts';

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
  const live = removeDead(lower(graph, options.keep ?? []));
  const split = rewrite(packWeights(live), splitWeightRules(caps.limits.maxStorageBufferBindingSize));
  const ir = options.fuse === false ? split : fuse(split);
  const storage = resolveStorage(ir);
  const choose = createChooser(caps);
  const steps = storage.steps.map((node) => ({ node, choice: choose(node) }));
  return schedule(ir, steps, placeBuffers(ir, storage, caps), caps);
}
