import type { Snippet } from './wgsl.ts';

// Between the bits of f32 and f16 in integers, exact for every value on every adapter: WGSL's own conversions may
// flush subnormals, and leave the result open beyond 65504. CPU twins: core/float16.ts.

/** `float16ToFloat32Bits(half)`: the f32 bits of the f16 in the low 16. */
export const float16ToFloat32Bits: Snippet = {
  name: 'float16ToFloat32Bits',
  code: `
    fn float16ToFloat32Bits(half: u32) -> u32 {
      let sign = (half & 0x8000u) << 16u;
      let exponent = (half >> 10u) & 0x1fu;
      let fraction = half & 0x3ffu;
      if (exponent == 0u) { return sign | bitcast<u32>(f32(fraction) * 5.9604644775390625e-8); }
      if (exponent == 31u) { return sign | 0x7f800000u | (fraction << 13u); }
      return sign | ((exponent + 112u) << 23u) | (fraction << 13u);
    }
  `,
};

/** `float32ToFloat16Bits(bits)`: the nearest f16, ties to even, of f32 bits; infinity beyond 65504. */
export const float32ToFloat16Bits: Snippet = {
  name: 'float32ToFloat16Bits',
  code: `
    fn float32ToFloat16Bits(bits: u32) -> u32 {
      let sign = (bits >> 16u) & 0x8000u;
      let magnitude = bits & 0x7fffffffu;
      if (magnitude > 0x7f800000u) { return sign | 0x7e00u; }
      if (magnitude >= 0x47800000u) { return sign | 0x7c00u; }
      if (magnitude >= 0x38800000u) {
        return sign | ((magnitude + 0xfffu + ((magnitude >> 13u) & 1u) - 0x38000000u) >> 13u);
      }
      // A subnormal half counts steps of 2^-24; below half a step it is zero.
      if (magnitude <= 0x33000000u) { return sign; }
      return sign | u32(round(bitcast<f32>(magnitude) * 16777216.0));
    }
  `,
};
