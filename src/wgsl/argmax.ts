import type { Snippet } from './wgsl.ts';

/**
 * `workgroupArgmax(value, index, thread)`: the index of the largest value over the workgroup, the lowest such index
 * where several tie; every thread gets it. `workgroupSize` must be a power of two.
 */
export const workgroupArgmax = (workgroupSize: number): Snippet => ({
  name: 'workgroupArgmax',
  code: `
    var<workgroup> argmaxValues: array<f32, ${workgroupSize}>;
    var<workgroup> argmaxIndices: array<u32, ${workgroupSize}>;

    fn workgroupArgmax(value: f32, index: u32, thread: u32) -> u32 {
      argmaxValues[thread] = value;
      argmaxIndices[thread] = index;
      workgroupBarrier();
      for (var stride = ${workgroupSize / 2}u; stride > 0u; stride >>= 1u) {
        if (thread < stride) {
          let otherValue = argmaxValues[thread + stride];
          let otherIndex = argmaxIndices[thread + stride];
          let ties = otherValue == argmaxValues[thread] && otherIndex < argmaxIndices[thread];
          if (otherValue > argmaxValues[thread] || ties) {
            argmaxValues[thread] = otherValue;
            argmaxIndices[thread] = otherIndex;
          }
        }
        workgroupBarrier();
      }
      let result = argmaxIndices[0];
      workgroupBarrier();
      return result;
    }
  `,
});
