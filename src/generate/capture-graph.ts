import { compile } from '../compile/compile.ts';
import type { Graph } from '../graph/graph.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createSession } from '../runtime/session.ts';
import { createStateStore } from '../runtime/state-store.ts';
import type { ModelRuntime } from './sessions.ts';

/**
 * Runs `graph` once for each of `runs` and reads the tensors of `names`: intermediates, or outputs of the graph.
 * Its plan and states are its own and go with it, and so do constants that no other plan keeps.
 */
export async function captureGraph(
  { device, weights }: Pick<ModelRuntime, 'device' | 'weights'>,
  graph: Graph,
  names: readonly string[],
  runs: readonly Readonly<Record<string, InputValue>>[],
): Promise<readonly Readonly<Record<string, HostArray>>[]> {
  const keep = names.filter((name) => !graph.outputs.has(name));
  const plan = compile(graph, device.caps, { keep });
  const states = createStateStore(device);
  try {
    const session = await createSession(device, plan, { weights, states, label: 'capture' });
    try {
      const captured: Readonly<Record<string, HostArray>>[] = [];
      for (const inputs of runs) captured.push(await session.runAndRead(inputs, names));
      return captured;
    } finally {
      session.dispose();
    }
  } finally {
    states.dispose();
  }
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
