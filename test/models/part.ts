import { readFileSync } from 'node:fs';
import { compile } from '../../src/compile/compile.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { bindParameters, type Parameters } from '../../src/models/parameters.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { bytesSource } from '../../src/weights/byte-source.ts';
import { fanInInit, type InitRule, randomTensors } from '../../src/weights/random-tensors.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { readSafetensorsIndex, type TensorEntry, type TensorIndex } from '../../src/weights/safetensors.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { goldenPath } from '../read-golden.ts';

/** A part of a model over one input, its weights taken from `index`, and what intermediates must be. */
export interface Part {
  readonly index: TensorIndex;
  readonly input: Float32Array;
  readonly shape: Shape;
  /** Gives the output; other expected intermediates must be `named`. */
  readonly build: (input: Tensor, w: Parameters) => Tensor;
}

export const openGoldenFile = async (name: string): Promise<TensorIndex> =>
  readSafetensorsIndex(bytesSource(name, readFileSync(goldenPath(name))));

export async function floats(index: TensorIndex, name: string): Promise<Float32Array> {
  const entry = index.get(name);
  if (!entry) throw new Error(`the golden has no tensor "${name}"`);
  return readTensor(entry, 'f32');
}

/** A tensor of the given values. */
export function floatEntry(name: string, shape: Shape, values: Float32Array): TensorEntry {
  const source = bytesSource(name, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return { name, dtype: 'F32', shape, source, offsetBytes: 0, byteLength: values.byteLength };
}

/** A part with random weights, none of them 0 or 1 alone, on a random input. */
export function randomPart(shape: Shape, seed: number, build: Part['build']): Part {
  const { missing } = buildOn(new Map(), shape, build);
  const vector: InitRule = (name, size) =>
    size.length === 1 ? { kind: 'normal', std: 0.5 } : fanInInit(name, size);
  const index = randomTensors(missing, seed, vector);
  const input = Float32Array.from({ length: elementCount(shape) }, (_, i) => Math.sin(i * 12.9898) * 1.5);
  return { index, input, shape, build };
}

/** The part in f64: `output` and the named intermediates. */
export async function interpretPart(part: Part): Promise<ReadonlyMap<string, Float64Array>> {
  const graph = buildPart(part);
  const values: Record<string, ArrayLike<number>> = { input: part.input };
  for (const { inputs } of graph.nodes)
    for (const { source } of Object.values(inputs))
      if (source.kind === 'weight') values[source.name] ??= await floats(part.index, source.name);
  const { outputs, named } = interpret(graph, values);
  return new Map([...outputs, ...named]);
}

/** The part on a device: `output` and the named intermediates `keep`. */
export async function runPart(
  device: Device,
  part: Part,
  keep: readonly string[] = [],
): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const plan = compile(buildPart(part), device.caps, { keep });
  const weights = createWeightStore(device, part.index);
  const states = createStateStore(device);
  const session = await createSession(device, plan, { weights, states });
  try {
    return new Map(Object.entries(await session.runAndRead({ input: part.input }, ['output', ...keep])));
  } finally {
    for (const owner of [session, weights, states]) owner.dispose();
  }
}

/** Largest error by the RMS of what is expected; Infinity where values are missing or NaN. */
export function relativeError(actual: ArrayLike<number> = [], expected: ArrayLike<number> = []): number {
  const { relativeError, note } = compareValues({ run: '', stage: '', shape: [] }, actual, expected, 0);
  return note === undefined && expected.length > 0 ? relativeError : Number.POSITIVE_INFINITY;
}

/** What a part makes of an input and what it asks for, by shape alone. */
export function shapesOf(shape: Shape, build: Part['build']) {
  const { graph, missing } = buildOn(new Map(), shape, build);
  return {
    output: graph.outputs.get('output')?.shape,
    weights: Object.fromEntries(missing),
    ops: graph.nodes.map(({ op }) => op.name),
  };
}

function buildPart({ index, shape, build }: Part): Graph {
  const { graph, finish } = buildOn(index, shape, build);
  finish();
  return graph;
}

function buildOn(index: TensorIndex, shape: Shape, build: Part['build']) {
  const graph = new Graph();
  const { missing, finish, ...root } = weightScope(index, 'golden');
  const w = bindParameters(graph, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' });
  graph.output('output', build(graph.input('input', shape, 'f32'), w));
  return { graph, missing, finish };
}
