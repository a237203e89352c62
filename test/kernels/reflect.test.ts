import { describe, expect, it } from 'vitest';
import { type VariableInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { Caps } from '../../src/core/caps.ts';
import { invariant } from '../../src/core/errors.ts';
import {
  type Kernel,
  type KernelCall,
  kernelLabel,
  kernelText,
  prepareCall,
  presentBindings,
  tuningPoints,
} from '../../src/kernels/kernel.ts';
import { KERNELS } from '../../src/kernels/registry.ts';
import { paramsByteLength } from '../../src/wgsl/params.ts';
import { OP_CASES } from './cases/index.ts';
import { callOfCase, DTYPE_SETS } from './op-case.ts';

const ROOM = 2 ** 31;

/** Adapters that together refuse no tuning point: some are for one size of subgroup. */
const ADAPTERS: readonly Caps[] = [4, 8, 32].map((subgroupSize) => ({
  adapterName: 'roomy',
  kind: 'discrete',
  features: { shaderF16: true, subgroups: true, timestampQuery: true },
  subgroupMinSize: subgroupSize,
  subgroupMaxSize: subgroupSize,
  limits: {
    maxBufferSize: ROOM,
    maxStorageBufferBindingSize: ROOM,
    maxStorageBuffersPerShaderStage: 16,
    maxComputeWorkgroupStorageSize: 2 ** 20,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 1024,
    maxComputeWorkgroupSizeY: 1024,
    maxComputeWorkgroupsPerDimension: 65535,
    minStorageBufferOffsetAlignment: 256,
    minUniformBufferOffsetAlignment: 256,
  },
}));

/** Every different text of `kernel` that its op's cases lead to, with what it was made from. */
function textsOf(kernel: Kernel): Map<string, { readonly label: string; readonly call: KernelCall }> {
  const texts = new Map<string, { readonly label: string; readonly call: KernelCall }>();
  for (const opCase of OP_CASES[kernel.op.name] ?? []) {
    for (const set of DTYPE_SETS) {
      const opCall = callOfCase(kernel.op, opCase, set);
      const call = opCall && prepareCall(kernel, opCall);
      if (!call || typeof call === 'string') continue;
      for (const tuning of tuningPoints(kernel.tuning)) {
        if (!ADAPTERS.some((caps) => kernel.supports(call, tuning, caps) === true)) continue;
        const text = kernelText(kernel, call, tuning);
        if (!texts.has(text)) texts.set(text, { label: kernelLabel(kernel, tuning), call });
      }
    }
  }
  return texts;
}

/** Name, number and access of each resource as the text declares them. */
function declaredBindings({ uniforms, storage }: WgslReflect): unknown[] {
  const of = ({ name, group, binding }: VariableInfo, access: string) => ({ name, group, binding, access });
  return [
    ...uniforms.map((variable) => of(variable, 'uniform')),
    ...storage.map((variable) => of(variable, variable.access)),
  ];
}

describe.each(KERNELS.map((kernel) => [kernel.name, kernel] as const))('%s', (_name, kernel) => {
  const texts = textsOf(kernel);

  it('has a text that its cases lead to', () => expect(texts.size).toBeGreaterThan(0));

  it('declares the bindings that the kernel states', () => {
    for (const [text, { label, call }] of texts) {
      const stated = presentBindings(kernel, call).map(({ name, access }, i) => ({
        name,
        group: 0,
        binding: i + 1,
        access: access === 'read' ? 'read' : 'read_write',
      }));
      const uniform = { name: 'params', group: 0, binding: 0, access: 'uniform' };
      expect(declaredBindings(new WgslReflect(text)), label).toEqual([uniform, ...stated]);
    }
  });

  it('declares Params as packParams writes it', () => {
    for (const [text, { label }] of texts) {
      const [uniform] = new WgslReflect(text).uniforms;
      const members = uniform?.members?.map(({ name, offset, type }) => ({ name, offset, type: type.name }));
      const packed = Object.entries(kernel.params).map(([name, type], i) => ({ name, offset: i * 4, type }));
      expect(members, label).toEqual(packed);
      expect(uniform?.size ?? 0, label).toBeLessThanOrEqual(paramsByteLength(kernel.params));
    }
  });

  it('has the one entry point main', () => {
    for (const [text, { label }] of texts) {
      const { vertex, fragment, compute } = new WgslReflect(text).entry;
      expect(
        [...vertex, ...fragment, ...compute].map(({ name }) => name),
        label,
      ).toEqual(['main']);
    }
  });

  it('emits text that reads as it was reviewed', async () => {
    const [first] = texts.keys();
    invariant(first, `${kernel.name} has no text`);
    await expect(first).toMatchFileSnapshot(`__snapshots__/${kernel.name}.wgsl`);
  });
});
