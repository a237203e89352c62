import { compile } from '../compile/compile.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createSession } from '../runtime/session.ts';
import { createStateStore } from '../runtime/state-store.ts';

/** Runs `graph` once for each of `runs` and reads the tensors of `names`: intermediates, or outputs of the graph. */
export async function captureGraph(
  { device, weights }: Pick<ModelRuntime, 'device' | 'weights'>,
  graph: Graph,
  names: readonly string[],
  runs: readonly Readonly<Record<string, InputValue>>[],
): Promise<readonly Readonly<Record<string, HostArray>>[]> {
  const states = createStateStore(device);
  const keep = names.filter((name) => !graph.outputs.has(name));
  const plan = compile(graph, device.caps, { keep });
  const session = await createSession(device, plan, { weights, states, label: 'verify' });
  try {
    const captured: Readonly<Record<string, HostArray>>[] = [];
    for (const inputs of runs) captured.push(await session.runAndRead(inputs, names));
    return captured;
  } finally {
    session.dispose();
    states.dispose();
  }
}

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

/** Arrays one after another. */
export function joined(parts: readonly ArrayLike<number>[]): Float32Array<ArrayBuffer> {
  const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return values;
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
