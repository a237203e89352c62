import { compile } from '../../src/compile/compile.ts';
import { elementCount } from '../../src/core/shape.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { buildImageGraph, buildTextGraph } from '../../src/embed/graphs.ts';
import { buildDecoderGraph, wholeModelGraphs } from '../../src/generate/graphs.ts';
import { choosePrecision, type DTypeChoice } from '../../src/generate/precision.ts';
import type { Graph } from '../../src/graph/graph.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createDualEncoder, createModel, isDualEncoder } from '../../src/models/registry.ts';
import type { HostArray } from '../../src/runtime/host-array.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { type WeightScope, weightScope } from '../../src/weights/weight-scope.ts';

/** Tokens of a prompt besides those of its picture. */
const WORDS = 16;

/** What one forward pass through a part took, its first run with compilation by the driver left out. */
export interface ForwardTime {
  readonly part: string;
  readonly ms: number;
}

export interface FullSizeResult {
  readonly dtype: string;
  readonly loadMs: number;
  readonly weightBytes: number;
  readonly peakGpuBytes: number;
  /** Most memory of the process, which on a CPU adapter holds the GPU's too. */
  readonly peakRssBytes: number;
  readonly forward: readonly ForwardTime[];
}

/** All graphs of one forward pass of the model that `config` describes, by the names of its parts. */
export function fullSizeGraphs(
  config: unknown,
  where: string,
  weights: WeightScope,
  precision: Precision,
): ReadonlyMap<string, Graph> {
  if (isDualEncoder(config, where)) {
    const model = createDualEncoder(config, where);
    const seq = model.text.maxPositionEmbeddings;
    return new Map([
      ['image tower', buildImageGraph(model, weights, precision, 1)],
      ['text tower', buildTextGraph(model, weights, precision, { batch: 1, seq })],
    ]);
  }
  const model = createModel(config, where);
  const tokens = model.vision?.typicalLayout.tokens ?? 0;
  const capacity = tokens + 4 * WORDS;
  const [decode, ...vision] = wholeModelGraphs(model, weights, precision, capacity);
  const prefill = buildDecoderGraph(model, weights, precision, {
    seq: tokens + WORDS,
    capacity,
    imageRows: tokens,
    spans: false,
    picker: 'greedy',
  });
  const named: [string, Graph][] = vision.map((graph, i) => [
    i === 0 ? 'vision tile' : 'vision packing',
    graph,
  ]);
  return new Map([
    ...named,
    [`prefill of ${tokens + WORDS}`, prefill],
    ...(decode ? [['decode step', decode] as const] : []),
  ]);
}

/** Loads the checkpoint and runs each part twice. Throws where a result is not finite. */
export async function measureFullSize(
  folder: string,
  config: unknown,
  device: Device,
  dtype: DTypeChoice,
): Promise<FullSizeResult> {
  const startedMs = performance.now();
  const checkpoint = await openCheckpoint(await folderFiles(folder));
  const precision = choosePrecision(dtype, device.caps, checkpoint.index);
  const graphs = fullSizeGraphs(config, folder, weightScope(checkpoint.index, folder), precision);
  const plans = [...graphs].map(([part, graph]) => ({ part, plan: compile(graph, device.caps) }));
  const weights = createWeightStore(device, checkpoint.index);
  const states = createStateStore(device);
  try {
    await weights.load(plans.map(({ plan }) => plan));
    await device.onSubmittedWorkDone();
    const loadMs = performance.now() - startedMs;
    const forward: ForwardTime[] = [];
    for (const { part, plan } of plans) {
      const session = await createSession(device, plan, { weights, states, label: part });
      try {
        const inputs = Object.fromEntries(
          [...plan.inputs].map(([name, { dtype: type, shape }]) => [
            name,
            inputOf(type, elementCount(shape)),
          ]),
        );
        const outputs = [...plan.outputs.keys()];
        await session.runAndRead(inputs, outputs);
        const runMs = performance.now();
        const values = await session.runAndRead(inputs, outputs);
        forward.push({ part, ms: performance.now() - runMs });
        checkFinite(part, values);
      } finally {
        session.dispose();
      }
    }
    return {
      dtype: precision.weights,
      loadMs,
      weightBytes: weights.byteLength,
      peakGpuBytes: device.memory.peakBytes,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      forward,
    };
  } finally {
    for (const store of [weights, states]) store.dispose();
    await checkpoint.close();
  }
}

/** Small numbers: pixels and tables about 0, ids and positions 0. */
function inputOf(dtype: string, count: number): HostArray {
  if (dtype === 'u32') return new Uint32Array(count);
  if (dtype === 'i32') return new Int32Array(count).fill(-1);
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i));
}

function checkFinite(part: string, values: Readonly<Record<string, HostArray>>): void {
  for (const [name, array] of Object.entries(values))
    if (!array.every(Number.isFinite)) throw new Error(`${part}: ${name} is not finite; expected numbers.`);
}
