import { captureGraph, joined } from '../generate/capture-graph.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import type { InputValue } from '../runtime/inputs.ts';

/** Runs `graph` once and reads each stage: `logits`, or `hidden_states.0`, `.1`, ... stacked. */
export async function captureStages(
  runtime: Pick<ModelRuntime, 'device' | 'weights'>,
  graph: Graph,
  stages: readonly string[],
  inputs: Readonly<Record<string, InputValue>>,
): Promise<ReadonlyMap<string, Float32Array>> {
  const namesOf = inOrderOfGraph(graph, stages).map((stage) => [stage, namesOfStage(graph, stage)] as const);
  const names = namesOf.flatMap(([, own]) => own);
  const [captured = {}] = await captureGraph(runtime, graph, names, [inputs]);
  return new Map(namesOf.map(([stage, own]) => [stage, joined(own.map((name) => captured[name] ?? []))]));
}

/**
 * The intermediates that make a stage: the one of its name, or `hidden_states.0`, `.1`, ... stacked; none if unknown.
 * References may write `decoder.` before those of the decoder.
 */
export function namesOfStage(graph: Graph, stage: string): string[] {
  const name = stage.replace(/^decoder\./, '');
  if (graph.named.has(name)) return [name];
  const names: string[] = [];
  while (graph.named.has(`${name}.${names.length}`)) names.push(`${name}.${names.length}`);
  return names;
}

/** Stages as they are computed, so that the first that fails is the first at fault; unknown ones come first. */
export function inOrderOfGraph(graph: Graph, stages: readonly string[]): string[] {
  const place = (stage: string): number => graph.named.get(namesOfStage(graph, stage)[0] ?? '')?.id ?? -1;
  return [...stages].sort((a, b) => place(a) - place(b));
}
