import { compile } from '../compile/compile.ts';
import type { Plan } from '../compile/plan.ts';
import type { Device } from '../device/gpu-device.ts';
import type { Graph } from '../graph/graph.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createSession } from '../runtime/session.ts';
import { createStateStore } from '../runtime/state-store.ts';
import { createWeightStore, type WeightStore } from '../runtime/weight-store.ts';
import type { ModelRuntime } from './sessions.ts';

/**
 * Runs `graph` once for each of `runs` and reads the tensors of `names`: intermediates, or outputs of the graph.
 * Its plan, states and constants are its own and go with it.
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
  const own = withOwnConstants(device, weights);
  try {
    const session = await createSession(device, plan, { weights: own, states, label: 'capture' });
    try {
      const captured: Readonly<Record<string, HostArray>>[] = [];
      for (const inputs of runs) captured.push(await session.runAndRead(inputs, names));
      return captured;
    } finally {
      session.dispose();
    }
  } finally {
    own.dispose();
    states.dispose();
  }
}

/** The weights of `shared`, and constants apart from them: a prompt of every length brings constants of its size. */
function withOwnConstants(device: Device, shared: WeightStore): WeightStore {
  const constants = createWeightStore(device, new Map());
  const ofKind = (plans: readonly Plan[], isConstant: boolean): Plan[] =>
    plans.map((plan) => ({
      ...plan,
      buffers: plan.buffers.filter(({ kind }) => (kind === 'constant') === isConstant),
    }));
  return {
    async load(plans) {
      await shared.load(ofKind(plans, false));
      await constants.load(ofKind(plans, true));
    },
    buffer: (wanted) => (wanted.kind === 'constant' ? constants : shared).buffer(wanted),
    get byteLength() {
      return constants.byteLength;
    },
    rounding: constants.rounding,
    dispose: () => constants.dispose(),
  };
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
