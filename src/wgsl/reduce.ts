import type { Snippet } from './wgsl.ts';

/** Reduction of one f32 per thread over a whole workgroup through workgroup memory; every thread gets the result. */
function workgroupReduce(name: string, combine: string, workgroupSize: number): Snippet {
  return {
    name,
    code: `
      var<workgroup> ${name}Scratch: array<f32, ${workgroupSize}>;

      fn ${name}(value: f32, thread: u32) -> f32 {
        ${name}Scratch[thread] = value;
        workgroupBarrier();
        for (var stride = ${workgroupSize / 2}u; stride > 0u; stride >>= 1u) {
          if (thread < stride) {
            let a = ${name}Scratch[thread];
            let b = ${name}Scratch[thread + stride];
            ${name}Scratch[thread] = ${combine};
          }
          workgroupBarrier();
        }
        let result = ${name}Scratch[0];
        workgroupBarrier();
        return result;
      }
    `,
  };
}

/** `workgroupSum(value, thread)`. `workgroupSize` must be a power of two. */
export const workgroupSum = (workgroupSize: number): Snippet =>
  workgroupReduce('workgroupSum', 'a + b', workgroupSize);

/** `workgroupMax(value, thread)`. `workgroupSize` must be a power of two. */
export const workgroupMax = (workgroupSize: number): Snippet =>
  workgroupReduce('workgroupMax', 'max(a, b)', workgroupSize);
