import type { Caps } from '../core/caps.ts';
import type { Graph } from '../graph/graph.ts';
import { type Candidates, findCandidates } from './choose.ts';
import { type CompileOptions, compileWith, kernelCallsWith, kernelsOf } from './compile-with.ts';
import type { IrNode } from './ir.ts';
import {
  cpuKernels,
  decodingKernels,
  type KernelSet,
  tensorKernels,
  trainingKernels,
} from './kernel-sets.ts';
import type { Plan } from './plan.ts';

/** What answers and embeddings run. */
export const INFERENCE_SETS: readonly KernelSet[] = [tensorKernels, cpuKernels, decodingKernels];

/** `compileWith` the kernels of inference. */
export const compile = (graph: Graph, caps: Caps, options?: CompileOptions): Plan =>
  compileWith(INFERENCE_SETS, graph, caps, options);

/** `compileWith` the kernels of gradients and optimizers besides. */
export const compileTraining = (graph: Graph, caps: Caps, options?: CompileOptions): Plan =>
  compileWith([...INFERENCE_SETS, trainingKernels], graph, caps, options);

/** The distinct calls that `compile` chooses kernels for, by signature: what there is to tune. */
export const kernelCalls = (graph: Graph, caps: Caps): ReadonlyMap<string, IrNode> =>
  kernelCallsWith(INFERENCE_SETS, graph, caps);

/** What `compile` chooses from for one call. */
export const kernelCandidates = (node: IrNode, caps: Caps): Candidates =>
  findCandidates(node, caps, kernelsOf(INFERENCE_SETS));
