import type { Graph } from './graph.ts';

/** Scopes whose nodes `grad` always computes a second time. */
export const RECOMPUTED_SCOPE: RegExp = /^.*\brecomputed\.\d+/;

/**
 * Builds part `part` of a computation in blocks: its gradients compute it again just before they need it, so that between
 * the passes only its inputs and results are kept, and the blocks share their memory one after another.
 */
export const recomputed = <T>(graph: Graph, part: number, build: () => T): T =>
  graph.scope(`recomputed.${part}`, build);
