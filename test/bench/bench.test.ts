import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OpenCase } from '../../bench/bench-case.ts';
import { blockCases, growthCases } from '../../bench/block-cases.ts';
import { distinct, kernelCases } from '../../bench/cases.ts';
import { linearCase, rowCase } from '../../bench/kernel-builders.ts';
import { type KernelCaseOptions, kernelCase, operandValues } from '../../bench/kernel-case.ts';
import type { Limits } from '../../bench/limits.ts';
import { measureCase } from '../../bench/measure-case.ts';
import { modelCases } from '../../bench/model-cases.ts';
import { rowOf } from '../../bench/report.ts';
import { isServed } from '../../bench/run-bench.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { matmul } from '../../src/graph/matmul.ts';
import { KERNELS } from '../../src/kernels/registry.ts';
import { describeOnAdapters } from '../adapters.ts';
import { maxError } from '../compile/run-ir.ts';

const limits: Limits = {
  fmaGflops: { f32: 50, f16: null },
  read: [{ byteLength: 2 ** 20, gbps: 5 }],
  copy: [{ byteLength: 2 ** 20, gbps: 5 }],
  bufferCopy: [{ byteLength: 2 ** 20, gbps: 5 }],
  dispatchUs: 9,
  submitUs: 20,
  pipelineMs: 30,
  submitReadbackUs: 50,
};

const tiny: KernelCaseOptions = {
  op: 'matmul',
  shape: '3x8x4',
  dtype: 'f32',
  build: (operand) => matmul(operand('a', [3, 8]), operand('b', [8, 4])),
};

describe('bench cases', () => {
  test('have names of their own', () => {
    const names = [...kernelCases, ...blockCases, ...modelCases].map(
      ({ op, shape, dtype }) => `${op} ${shape} ${dtype}`,
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('linear 197x768x3072 f32');
    expect(names).toContain('matvec 2048x8192 f16');
    expect(distinct([...growthCases, ...growthCases])).toHaveLength(growthCases.length);
    expect(names).toContain('matvec 4096x11008 f32');
    expect(names).toContain('SigLIP-so400m/14-384 layer 1x729x1152 f16');
    expect(names).toContain('Gemma-2B layer, decode past=256 f32');
  });

  test('time every op that has a kernel, but those of training', () => {
    const timed = new Set(
      [...kernelCases, ...blockCases].flatMap((one) => one.graph().nodes.map(({ op }) => op.name)),
    );
    const missing = new Set(KERNELS.map(({ op }) => op.name).filter((name) => !timed.has(name)));
    expect([...missing].sort()).toEqual([
      'accumulate', // of gradients
      'adamwUpdate',
      'attentionKeyValueGradient',
      'attentionLogSumExp',
      'attentionParts', // what the compiler makes of others is timed in layers
      'attentionQueryGradient',
      'conv2dInputGradient',
      'conv2dWeightGradient',
      'convertWeight', // in the load time of whole models
      'linearGroup',
      'logSumExp', // of losses
      'markSeen', // a few ids
      'mergeAttention',
      'mergeLowRank', // in the load time of models with adapters
      'optimizerControl', // a few scalars
      'pagedAppend', // in the load test of the server, as the next
      'pagedAttention',
      'qkvAppend',
      'quantizeWeight', // in the load time of whole models
      'ropeAppend',
      'scatterAdd', // the gradient of gathers
      'sgdUpdate',
    ]);
  });

  test('operands are the same each time, spread over [-1, 1), and differ by name', () => {
    const a = operandValues('a', [1000]);
    expect(operandValues('a', [1000])).toEqual(a);
    expect(operandValues('b', [1000])).not.toEqual(a);
    expect(Math.min(...a)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...a)).toBeLessThan(1);
    expect(Math.abs(a.reduce((sum, value) => sum + value, 0) / a.length)).toBeLessThan(0.1);
  });
});

describeOnAdapters('bench', (getDevice) => {
  describe('one tiny case', () => {
    let device: Device;
    let open: OpenCase;
    beforeAll(async () => {
      device = getDevice();
      open = await kernelCase(tiny).open(device);
    });
    afterAll(() => open.dispose());

    test('gives in every copy what the reference gives', async () => {
      const graph = new Graph();
      graph.output(
        'y',
        tiny.build((name, shape, dtype = 'f32') => graph.weight(name, shape, dtype), graph),
      );
      const values = { a: operandValues('a', [3, 8]), b: operandValues('b', [8, 4]) };
      const expected = interpret(graph, values).outputs.get('y');
      const outputs = await open.session.runAndRead({}, [...open.session.plan.outputs.keys()]);
      expect(Object.keys(outputs)).toHaveLength(open.copies);
      expect(open.copies).toBeGreaterThan(1);
      for (const y of Object.values(outputs)) expect(maxError(y, expected)).toBeLessThan(1e-5);
    });

    test('becomes a row with all that JSON promises', async () => {
      const measured = await measureCase(device, kernelCase(tiny), { maxSeconds: 0.01 });
      const row = JSON.parse(JSON.stringify(rowOf(measured, limits)));
      expect(row).toEqual({
        op: 'matmul',
        shape: '3x8x4',
        dtype: 'f32',
        ms: expect.any(Number),
        p10: expect.any(Number),
        p90: expect.any(Number),
        samples: expect.any(Number),
        kernelMs: expect.any(Number),
        gflops: expect.any(Number),
        gbps: expect.any(Number),
        fraction: expect.any(Number),
        boundBy: 'memory',
        kernel: expect.stringMatching(/^matmul_/),
      });
      expect(row.p10).toBeLessThanOrEqual(row.ms);
      expect(row.ms).toBeLessThanOrEqual(row.p90);
      // 2 * 3 * 8 * 4 flops and (24 + 32 + 12) * 4 bytes, in the same time.
      expect(row.gflops / row.gbps).toBeCloseTo(192 / 272, 6);
    });

    test('frees what it held', async () => {
      const before = device.memory.liveBytes;
      (await rowCase('layerNorm', 2, 8).open(device)).dispose();
      expect(device.memory.liveBytes).toBe(before);
    });

    test('f16 is served where shaders have it', () => {
      const served = isServed(linearCase('linear', [2, 4, 4], 'f16'), device);
      expect(served).toBe(device.caps.features.shaderF16);
      expect(isServed(linearCase('linear', [2, 4, 4], 'f32'), device)).toBe(true);
    });
  });
});
