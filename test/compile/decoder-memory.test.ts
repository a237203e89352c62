import { describe, expect, test } from 'vitest';
import { decoderLayers } from '../../bench/block-cases.ts';
import { LLAMA_135M } from '../../bench/model-shapes.ts';
import { operandParameters } from '../../bench/operand-parameters.ts';
import { compile } from '../../src/compile/compile.ts';
import type { Caps } from '../../src/core/caps.ts';
import { Graph } from '../../src/graph/graph.ts';
import { testCaps } from './caps.ts';

const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim } = LLAMA_135M;

/** Bytes of `kind` that two layers take for `seq` tokens at once over a cache of `capacity`. */
function bytesOf(kind: 'arena' | 'state', adapter: Caps, seq: number, capacity: number): number {
  const graph = new Graph();
  const parameters = operandParameters((name, shape) => graph.weight(name, shape, 'f32'), 'f32');
  const steps = { layers: 2, past: capacity - seq, capacity };
  graph.output(
    'y',
    decoderLayers(graph.input('x', [1, seq, hiddenSize], 'f32'), LLAMA_135M, steps, parameters),
  );
  const { buffers } = compile(graph, adapter);
  return buffers.reduce((sum, buffer) => sum + (buffer.kind === kind ? buffer.byteLength : 0), 0);
}

const lanes = { subgroupMinSize: 8, subgroupMaxSize: 8 };
const features = { ...testCaps().features, subgroups: true };
const adapters: readonly (readonly [string, Caps])[] = [
  ['a CPU without subgroups', testCaps()],
  ['a CPU', { ...testCaps(), ...lanes, features }],
  ['a GPU', { ...testCaps(), kind: 'discrete', subgroupMinSize: 32, subgroupMaxSize: 32, features }],
];

describe.each(adapters)('memory of a decoder on %s', (_name, caps) => {
  test('grows with the tokens of a prompt and not with their square, whatever the cache holds', () => {
    const short = bytesOf('arena', caps, 64, 64);
    const long = bytesOf('arena', caps, 2048, 2048);
    expect(long).toBeLessThan(32.1 * short);
    // The scores of one layer alone would take more than twice as much.
    expect(2 * long).toBeLessThan(4 * numAttentionHeads * 2048 ** 2);
    expect(bytesOf('arena', caps, 2048, 8192)).toBe(long);
  });

  test('is what the cache takes, and for one token sums of a few of its parts', () => {
    const cache = (capacity: number): number => 2 * 2 * 4 * capacity * numKeyValueHeads * headDim;
    expect(bytesOf('state', caps, 1, 1024)).toBe(cache(1024));
    expect(bytesOf('state', caps, 1, 8192)).toBe(cache(8192));
    const partBytes = 4 * numAttentionHeads * (headDim + 2);
    const more = bytesOf('arena', caps, 1, 8192) - bytesOf('arena', caps, 1, 256);
    expect(more).toBeLessThan(33 * partBytes);
  });
});
