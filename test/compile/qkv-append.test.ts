import { describe, expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import { explain } from '../../src/compile/explain.ts';
import type { Caps } from '../../src/core/caps.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { testCaps } from './caps.ts';
import { fusedFor, layers, opNames } from './decode-layers.ts';
import { maxError, runIr } from './run-ir.ts';

const gpu = (buffers: number): Caps => ({
  ...testCaps({ maxStorageBuffersPerShaderStage: buffers }),
  kind: 'discrete',
});
const cpu = (lanes: number, buffers: number): Caps => ({
  ...testCaps({ maxStorageBuffersPerShaderStage: buffers }),
  features: { ...testCaps().features, subgroups: true },
  subgroupMinSize: lanes,
  subgroupMaxSize: lanes,
});

const REST = ['attention', 'linear', 'linearGroup', 'linear'];
const NORMED_REST = ['attention', 'linear', 'rmsNorm', 'linearGroup', 'linear'];

describe('products, rope and caches of one vector', () => {
  test.each([
    ['a GPU, the norm with them', gpu(12), ['qkvAppend', ...REST]],
    ['a CPU of 8 lanes', cpu(8, 11), ['rmsNorm', 'qkvAppend', ...NORMED_REST]],
  ])('are one dispatch on %s', (_name, caps, layer) => {
    const { graph, values } = layers(1);
    const ir = fusedFor(graph, caps);
    expect(opNames(ir)).toEqual([...layer, ...layer, 'rmsNorm']);
    const expected = interpret(graph, values).outputs.get('y');
    expect(maxError(runIr(ir, values).get('y'), expected)).toBeLessThan(1e-12);
  });

  test.each([
    ['a GPU of too few storage buffers', gpu(11), ['linearGroup', 'ropeAppend', ...REST]],
    ['a CPU of too few', cpu(8, 10), ['rmsNorm', 'linearGroup', 'ropeAppend', ...NORMED_REST]],
    [
      'a CPU of 4 lanes, which is slower so',
      cpu(4, 16),
      ['rmsNorm', 'linearGroup', 'ropeAppend', ...NORMED_REST],
    ],
  ])('are two on %s', (_name, caps, layer) => {
    expect(opNames(fusedFor(layers(1).graph, caps))).toEqual([...layer, ...layer, 'rmsNorm']);
  });

  test('stay as they were for several tokens', () => {
    expect(opNames(fusedFor(layers(2).graph, gpu(16)))).not.toContain('qkvAppend');
  });

  test('make the plan of a step a dispatch a layer shorter', () => {
    const { graph } = layers(1);
    const [one, two] = [compile(graph, gpu(16)), compile(graph, gpu(8))];
    expect([one.dispatches.length, two.dispatches.length]).toEqual([11, 13]);
    expect(explain(one)).toContain('qkv_append_matvec_workgroup');
    expect(one.dispatches[0]?.fused).toEqual([
      ...['rmsNorm', 'linear', 'linear', 'linear'],
      ...['rope', 'rope', 'cacheAppend', 'cacheAppend'],
    ]);
  });
});
