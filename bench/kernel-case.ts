import { compile } from '../src/compile/compile.ts';
import type { Plan } from '../src/compile/plan.ts';
import { rooflineMs } from '../src/compile/roofline.ts';
import { isPacked, type WeightDType } from '../src/core/dtype.ts';
import { elementCount, type Shape } from '../src/core/shape.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { Graph } from '../src/graph/graph.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { createSession } from '../src/runtime/session.ts';
import { createStateStore, type StateStore } from '../src/runtime/state-store.ts';
import { createWeightStore, type WeightStore } from '../src/runtime/weight-store.ts';
import { bytesSource } from '../src/weights/byte-source.ts';
import { readSafetensorsIndex } from '../src/weights/safetensors.ts';
import { encodeSafetensors } from '../src/weights/write-safetensors.ts';
import type { BenchCase } from './bench-case.ts';

/** An operand with values from `operandValues`; it lies on the GPU, so that a run uploads nothing. */
export type Operand = (name: string, shape: Shape, dtype?: WeightDType) => Tensor;

export interface KernelCaseOptions {
  readonly op: string;
  readonly shape: string;
  readonly dtype: WeightDType;
  /** Adds the op once; `graph` is for what is no operand. */
  readonly build: (operand: Operand, graph: Graph) => Tensor;
  /** Values of an operand; `operandValues` unless told. */
  readonly values?: typeof operandValues;
  /** How often a run does the op; by the roofline's estimate unless told. */
  readonly copies?: number;
  /** What runs once before: it fills states, from operands of its own. */
  readonly prepare?: (operand: Operand, graph: Graph) => void;
}

/** A case whose graph can be looked at without a device. */
export interface KernelCase extends BenchCase {
  /** The op once, as it is compiled. */
  graph(): Graph;
}

/** A run does the op so often that its submit counts little, by the estimate of the roofline. */
const LEAST_RUN_MS = 4;
const MOST_COPIES = 32;

/** One op, `y0`, `y1`, ... of the same operands in one graph. */
export function kernelCase(options: KernelCaseOptions): KernelCase {
  const { op, shape, dtype, build, values = operandValues, prepare } = options;
  const operands = new Map<string, Shape>();
  const operandOf =
    (graph: Graph): Operand =>
    (name, operandShape, operandDType = 'f32') => {
      operands.set(name, operandShape);
      return isPacked(operandDType)
        ? graph.weight(name, operandShape, 'f32', operandDType)
        : graph.weight(name, operandShape, operandDType);
    };
  const buildGraph = (copies: number): Graph => {
    const graph = new Graph();
    for (let copy = 0; copy < copies; copy++) {
      // A scope of its own, since models name their intermediates.
      const y = graph.scope(`copy${copy}`, () => build(operandOf(graph), graph));
      graph.output(`y${copy}`, y);
    }
    return graph;
  };
  return {
    op,
    shape,
    dtype,
    graph: () => buildGraph(1),
    async open(device) {
      const copies = options.copies ?? copiesFor(compile(buildGraph(1), device.caps), device.caps.kind);
      const plan = compile(buildGraph(copies), device.caps);
      const preparation = new Graph();
      prepare?.(operandOf(preparation), preparation);
      const weights = createWeightStore(device, await operandIndex(operands, values));
      const states = createStateStore(device);
      try {
        if (prepare) await runOnce(device, compile(preparation, device.caps), weights, states);
        const session = await createSession(device, plan, { weights, states, label: op });
        const dispose = (): void => [session, weights, states].forEach((part) => void part.dispose());
        return { session, inputs: {}, copies, dispose };
      } catch (error) {
        weights.dispose();
        states.dispose();
        throw error;
      }
    },
  };
}

async function runOnce(device: Device, plan: Plan, weights: WeightStore, states: StateStore): Promise<void> {
  const session = await createSession(device, plan, { weights, states, label: 'prepare' });
  session.run({});
  await device.onSubmittedWorkDone();
  session.dispose();
}

function copiesFor({ dispatches }: Plan, kind: Parameters<typeof rooflineMs>[1]): number {
  const ms = dispatches.reduce((sum, { cost }) => sum + rooflineMs(cost, kind), 0);
  return Math.min(MOST_COPIES, Math.max(1, Math.ceil(LEAST_RUN_MS / ms)));
}

/** Values in [-1, 1), the same on every machine; they differ by name. */
export function operandValues(name: string, shape: Shape): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elementCount(shape));
  let word = [...name].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16777619), 2166136261);
  for (let i = 0; i < values.length; i++) {
    // Numerical Recipes, 3rd ed., section 7.1.3: a linear congruential generator; the low bits are poor.
    word = Math.imul(word, 1664525) + 1013904223;
    values[i] = (word >> 8) / 2 ** 23;
  }
  return values;
}

/** Operands as a checkpoint has them. */
export const operandIndex = (operands: ReadonlyMap<string, Shape>, values: typeof operandValues) =>
  readSafetensorsIndex(
    bytesSource(
      'operands',
      encodeSafetensors(
        [...operands].map(([name, shape]) => ({
          name,
          dtype: 'F32',
          shape,
          bytes: new Uint8Array(values(name, shape).buffer),
        })),
      ),
    ),
  );
