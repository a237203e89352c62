import type { Snippet } from './wgsl.ts';

/**
 * `addProduct(sum, steps, value)`: sum + steps * value, which is four steps of an inner sum for four columns. On 8 lanes
 * as a chain of multiply-adds: a product of its own is added up first, five instructions for four, and a matmul of 512
 * took lavapipe 51 ms of CPU time with it and 36 without. On 4 lanes the product: SwiftShader took 165 ms with it and 200
 * with the chain.
 */
export const addProduct = (lanes: number): Snippet => ({
  name: 'addProduct',
  code: `
    fn addProduct(sum: vec4f, steps: mat4x4f, value: vec4f) -> vec4f {
      ${lanes === 8 ? CHAIN : 'return sum + steps * value;'}
    }
  `,
});

const CHAIN = `let two = fma(steps[1], vec4f(value.y), fma(steps[0], vec4f(value.x), sum));
      return fma(steps[3], vec4f(value.w), fma(steps[2], vec4f(value.z), two));`;
