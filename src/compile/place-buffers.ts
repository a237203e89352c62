import type { Caps } from '../core/caps.ts';
import { storageByteLength } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import type { Ir, IrTensor } from './ir.ts';
import type { PlanBuffer } from './plan.ts';
import { alignUp, type Lifetime, planMemory } from './plan-memory.ts';
import type { Storage } from './storage.ts';

/** Where every tensor lies. */
export interface BufferLayout {
  readonly buffers: readonly PlanBuffer[];
  placeOf(tensor: IrTensor): { readonly buffer: number; readonly offset: number };
  /** Bytes of all intermediates if none shared memory. */
  readonly intermediateBytes: number;
}

interface Range {
  begin: number;
  end: number;
  /** Steps that write it. */
  readonly written: number[];
  /** Steps that read it. */
  readonly read: number[];
}

/** Gives sources (inputs, weights, states, constants) a buffer each, and packs intermediates into arenas. */
export function placeBuffers(ir: Ir, storage: Storage, caps: Caps): BufferLayout {
  const ranges = liveRanges(ir, storage);
  const intermediates = [...ranges.keys()].filter((tensor) => tensor.source.kind === 'op');
  const lifetimes = intermediates.map((tensor): Lifetime => {
    const range = ranges.get(tensor);
    invariant(range, `no live range of "${tensor.name}"`);
    return { name: tensor.name, byteLength: byteLengthOf(tensor), begin: range.begin, end: range.end };
  });
  const conflicts = findConflicts(intermediates, ranges);
  const memory = planMemory(lifetimes, (i, j) => conflicts.has(pairKey(i, j)), {
    alignment: Math.max(256, caps.limits.minStorageBufferOffsetAlignment),
    maxArenaBytes: caps.limits.maxBufferSize,
  });

  const buffers: PlanBuffer[] = memory.arenas.map((byteLength, i) => ({
    kind: 'arena',
    label: `arena ${i}`,
    byteLength,
  }));
  const places = new Map<IrTensor, { buffer: number; offset: number }>();
  intermediates.forEach((tensor, i) => {
    const placement = memory.placements[i];
    invariant(placement, `no placement of "${tensor.name}"`);
    places.set(tensor, { buffer: placement.arena, offset: placement.offset });
  });
  for (const tensor of new Set([...ranges.keys(), ...ir.inputs])) {
    if (tensor.source.kind === 'op') continue;
    places.set(tensor, { buffer: buffers.length, offset: 0 });
    buffers.push(sourceBuffer(tensor));
  }
  return {
    buffers,
    placeOf(tensor) {
      const place = places.get(storage.rootOf(tensor));
      invariant(place, `tensor "${tensor.name}" has no place`);
      return place;
    },
    intermediateBytes: lifetimes.reduce((sum, { byteLength }) => sum + alignUp(byteLength, 256), 0),
  };
}

/** First write to last read of every tensor that owns bytes, in steps; outputs live to the end. */
function liveRanges(ir: Ir, { steps, rootOf }: Storage): Map<IrTensor, Range> {
  const ranges = new Map<IrTensor, Range>();
  const touch = (tensor: IrTensor, step: number): Range => {
    const root = rootOf(tensor);
    const range = ranges.get(root) ?? { begin: step, end: step, written: [], read: [] };
    range.end = Math.max(range.end, step);
    ranges.set(root, range);
    return range;
  };
  steps.forEach((node, step) => {
    for (const input of Object.values(node.inputs)) touch(input, step).read.push(step);
    for (const output of Object.values(node.outputs)) touch(output, step).written.push(step);
  });
  for (const output of ir.outputs.values()) touch(output, steps.length);
  return ranges;
}

const pairKey = (i: number, j: number): string => (i < j ? `${i},${j}` : `${j},${i}`);

/** Pairs of which one dispatch reads one and writes the other: WebGPU wants them in different buffers. */
function findConflicts(
  tensors: readonly IrTensor[],
  ranges: ReadonlyMap<IrTensor, Range>,
): ReadonlySet<string> {
  const readers = new Map<number, number[]>();
  tensors.forEach((tensor, i) => {
    for (const step of ranges.get(tensor)?.read ?? []) {
      const list = readers.get(step) ?? [];
      list.push(i);
      readers.set(step, list);
    }
  });
  const pairs = new Set<string>();
  tensors.forEach((tensor, i) => {
    for (const step of ranges.get(tensor)?.written ?? [])
      for (const j of readers.get(step) ?? []) if (i !== j) pairs.add(pairKey(i, j));
  });
  return pairs;
}

function sourceBuffer({ name, source, dtype, shape }: IrTensor): PlanBuffer {
  const byteLength = storageByteLength(dtype, shape);
  invariant(source.kind !== 'op', `intermediate "${name}" has no buffer of its own`);
  switch (source.kind) {
    case 'input':
      return { kind: 'input', label: `input ${name}`, byteLength };
    case 'state':
      return { kind: 'state', label: `state ${name}`, byteLength, name: source.name };
    case 'constant':
      return {
        kind: 'constant',
        label: `constant ${name}`,
        byteLength,
        name: source.name,
        data: source.data,
      };
    case 'weight': {
      const rows = source.rows ? { rows: source.rows } : {};
      return { kind: 'weight', label: source.name, byteLength, name: source.name, dtype, shape, ...rows };
    }
  }
}

const byteLengthOf = (tensor: IrTensor): number => storageByteLength(tensor.dtype, tensor.shape);
