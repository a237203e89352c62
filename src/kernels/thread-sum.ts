import { subgroups } from '../wgsl/subgroups.ts';
import type { Snippet } from '../wgsl/wgsl.ts';

/** How the threads of a workgroup add up one vec4 each: `sumOfThreads(value, thread, ...)`. */
export interface ThreadSum {
  /** Built-in the entry point takes for it, and how it is passed on. */
  readonly builtin: string;
  readonly argument: string;
  snippet(workgroupSize: number): Snippet;
}

export const throughWorkgroupMemory: ThreadSum = {
  builtin: '',
  argument: '',
  snippet: (workgroupSize) => ({
    name: 'sumOfThreads',
    code: `
      var<workgroup> partial: array<vec4f, ${workgroupSize}>;

      fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
        partial[thread] = value;
        for (var stride = ${workgroupSize / 2}u; stride > 0u; stride >>= 1u) {
          workgroupBarrier();
          if (thread < stride) { partial[thread] += partial[thread + stride]; }
        }
        workgroupBarrier();
        let sum = partial[0];
        workgroupBarrier();
        return sum;
      }
    `,
  }),
};

/** Where a workgroup is one subgroup: no barrier, no workgroup memory. */
export const withinSubgroup: ThreadSum = {
  builtin: '',
  argument: '',
  snippet: () => ({
    name: 'sumOfThreads',
    uses: [subgroups],
    code: `
      fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
        return subgroupAdd(value);
      }
    `,
  }),
};

export const throughSubgroups: ThreadSum = {
  builtin: '@builtin(subgroup_size) subgroupSize: u32,',
  argument: ', subgroupSize',
  snippet: (workgroupSize) => ({
    name: 'sumOfThreads',
    uses: [subgroups],
    code: `
      var<workgroup> partial: array<vec4f, ${workgroupSize}>;

      fn sumOfThreads(value: vec4f, thread: u32, subgroupSize: u32) -> vec4f {
        let own = subgroupAdd(value);
        if (subgroupElect()) { partial[thread / subgroupSize] = own; }
        workgroupBarrier();
        var sum = partial[0];
        for (var i = 1u; i < ${workgroupSize}u / subgroupSize; i++) { sum += partial[i]; }
        workgroupBarrier();
        return sum;
      }
    `,
  }),
};
