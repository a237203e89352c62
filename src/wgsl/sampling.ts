import type { Snippet } from './wgsl.ts';

/** `pcg4d(v)`: a hash of four words to four (Jarzynski & Olano 2020). `exponential(hash)`: -log(1 - u), u in (0, 1). */
export const pcg4d: Snippet = {
  name: 'pcg4d',
  code: `
    fn pcg4d(seed: vec4u) -> vec4u {
      var v = seed * 1664525u + 1013904223u;
      v.x += v.y * v.w;
      v.y += v.z * v.x;
      v.z += v.x * v.y;
      v.w += v.y * v.z;
      v ^= v >> vec4u(16u);
      v.x += v.y * v.w;
      v.y += v.z * v.x;
      v.z += v.x * v.y;
      v.w += v.y * v.z;
      return v;
    }

    fn exponential(hash: u32) -> f32 {
      let u = (f32(hash) + 0.5) * 2.3283064365386963e-10;
      // log is inexact near 1, and small values decide a race between many tokens: a series there.
      let series = u * (1.0 + u * (0.5 + u * (0.33333334 + u * (0.25 + u * 0.2))));
      return select(-log(max(1.0 - u, 2.9802322e-8)), series, u < 0.1);
    }
  `,
};

/**
 * Radix selection over the bits of f32, 8 at a time, in a workgroup of 256: the largest key such that the weights of
 * all keys from it upwards reach a goal. Each pass, for `shift` 24, 16, 8 and 0, clears the histogram, counts all keys, and narrows.
 */
export const selectKey: Snippet = {
  name: 'selectKey',
  code: `
    var<workgroup> histogram: array<atomic<u32>, 256>;
    var<workgroup> crossingBin: u32;
    var<workgroup> crossingGoal: u32;

    struct Selection {
      key: u32,
      mask: u32,
      goal: u32,
    }

    fn beginSelection(goal: u32) -> Selection {
      return Selection(0u, 0u, goal);
    }

    // Unsigned integers in the order of the floats they are made from; both zeros are one.
    fn orderedKey(value: f32) -> u32 {
      let bits = bitcast<u32>(select(value, 0.0, value == 0.0));
      return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
    }

    fn clearHistogram(thread: u32) {
      atomicStore(&histogram[thread], 0u);
      workgroupBarrier();
    }

    fn countKey(selection: Selection, shift: u32, key: u32, weight: u32) {
      if ((key & selection.mask) == selection.key) {
        atomicAdd(&histogram[(key >> shift) & 0xffu], weight);
      }
    }

    fn narrowSelection(selection: Selection, shift: u32, thread: u32) -> Selection {
      workgroupBarrier();
      if (thread == 0u) {
        var bin = 255u;
        var goal = selection.goal;
        for (var weight = atomicLoad(&histogram[bin]); bin > 0u && weight < goal; ) {
          goal -= weight;
          bin--;
          weight = atomicLoad(&histogram[bin]);
        }
        crossingBin = bin;
        crossingGoal = goal;
      }
      workgroupBarrier();
      let narrowed = Selection(
        selection.key | (crossingBin << shift),
        selection.mask | (0xffu << shift),
        crossingGoal,
      );
      workgroupBarrier();
      return narrowed;
    }
  `,
};
