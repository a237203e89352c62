import type { FloatDType } from '../src/core/dtype.ts';
import { invariant } from '../src/core/errors.ts';
import { assemble, wgsl } from '../src/wgsl/wgsl.ts';

/** A micro-kernel that does nothing but what it measures. */
export interface LimitKernel {
  readonly name: string;
  readonly code: string;
}

/** One text of the arithmetic limit and what an invocation does per iteration. */
export interface FmaKernel extends LimitKernel {
  readonly flopsPerIteration: number;
}

const UNROLL = 8;
export const FMA_WORKGROUP_SIZE = 64;

/**
 * Chains of multiply-adds that wait for nothing but themselves: their number hides the latency of one. As few as
 * registers can hold win on CPUs, more on GPUs, and whether `fma` or `a * b + c` is faster is up to the driver.
 */
export function fmaKernels(dtype: FloatDType): readonly FmaKernel[] {
  return [
    { lanes: 1, chains: 8, form: 'fma' },
    { lanes: 1, chains: 12, form: 'mul_add' },
    { lanes: 4, chains: 2, form: 'fma' },
    { lanes: 4, chains: 2, form: 'mul_add' },
    { lanes: 4, chains: 4, form: 'fma' },
  ].map(({ lanes, chains, form }) => {
    const type = lanes === 1 ? dtype : `vec4<${dtype}>`;
    const step = (s: string): string => (form === 'fma' ? `${s} = fma(${s}, a, b);` : `${s} = ${s} * a + b;`);
    const names = Array.from({ length: chains }, (_, i) => `s${i}`);
    const body = wgsl`
      struct Params { iterations: u32, a: f32, b: f32 }
      @group(0) @binding(0) var<uniform> params: Params;
      @group(0) @binding(1) var<storage, read_write> y: array<f32>;

      @compute @workgroup_size(${FMA_WORKGROUP_SIZE})
      fn main(@builtin(global_invocation_id) id: vec3u) {
        let a = ${type}(${dtype}(params.a));
        let b = ${type}(${dtype}(params.b));
        // No two lanes alike, or a compiler may compute one for all.
        let start = ${lanes === 1 ? dtype : `vec4<${dtype}>(0, 0.25, 0.5, 0.75) + ${dtype}`}(id.x & 63u) / 64;
        ${names.map((name, i) => `var ${name} = start + ${i};`)}
        for (var i = 0u; i < params.iterations; i++) {
          ${Array.from({ length: UNROLL }, () => names.map(step)).flat()}
        }
        let sum = ${names.join(' + ')};
        y[id.x] = f32(${lanes === 1 ? 'sum' : 'sum.x + sum.y + sum.z + sum.w'});
      }
    `;
    return {
      name: `fma_${dtype}{lanes: ${lanes}, chains: ${chains}, form: ${form}}`,
      code: assemble(dtype === 'f16' ? 'alias Float = f16;' : 'alias Float = f32;', body),
      flopsPerIteration: 2 * lanes * chains * UNROLL,
    };
  });
}

export const MEMORY_WORKGROUP_SIZE = 64;

/** How invocations share the elements: all in turns, or a stretch for each workgroup, of many lanes or of one. */
const READ_VARIANTS = [
  { type: 'vec4f', lanes: 64, order: 'turns' },
  { type: 'f32', lanes: 64, order: 'turns' },
  { type: 'vec4f', lanes: 64, order: 'stretches' },
  // One lane: its address is the same for the whole SIMD unit of a CPU, which makes a load of a gather.
  { type: 'vec4f', lanes: 1, order: 'stretches' },
] as const;

/** Reads `params.count` elements (a power of two, at least 256 per workgroup), `params.rounds` times over. */
export const readKernels: readonly LimitKernel[] = READ_VARIANTS.map(({ type, lanes, order }) => ({
  name: `read{type: ${type}, lanes: ${lanes}, order: ${order}}`,
  code: assemble(
    '',
    wgsl`
      struct Params { count: u32, rounds: u32 }
      @group(0) @binding(0) var<uniform> params: Params;
      @group(0) @binding(1) var<storage, read> x: array<${type}>;
      @group(0) @binding(2) var<storage, read_write> y: array<${type}>;

      @compute @workgroup_size(${lanes})
      fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
              @builtin(local_invocation_index) lane: u32) {
        var s0 = ${type}(); var s1 = ${type}(); var s2 = ${type}(); var s3 = ${type}();
        let steps = params.count / (${4 * lanes}u * groups.x);
        let first = group.x * ${order === 'turns' ? '1u' : 'steps'};
        let stride = ${order === 'turns' ? 'groups.x' : '1u'};
        for (var round = 0u; round < params.rounds; round++) {
          // Another start every round, or a driver may read once and keep the sums.
          var at = ((first + round) * ${4 * lanes}u + lane) & (params.count - 1u);
          for (var step = 0u; step < steps; step++) {
            s0 += x[at];
            s1 += x[at + ${lanes}u];
            s2 += x[at + ${2 * lanes}u];
            s3 += x[at + ${3 * lanes}u];
            at = (at + stride * ${4 * lanes}u) & (params.count - 1u);
          }
        }
        y[group.x * ${lanes}u + lane] = s0 + s1 + s2 + s3;
      }
    `,
  ),
}));

/** Copies `params.count` vectors (a power of two, at least 64), `params.rounds` times over. */
export const copyKernel: LimitKernel = {
  name: 'copy{type: vec4f}',
  code: assemble(
    '',
    wgsl`
      struct Params { count: u32, rounds: u32 }
      @group(0) @binding(0) var<uniform> params: Params;
      @group(0) @binding(1) var<storage, read> x: array<vec4f>;
      @group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

      @compute @workgroup_size(${MEMORY_WORKGROUP_SIZE})
      fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
        let stride = ${MEMORY_WORKGROUP_SIZE}u * groups.x;
        for (var round = 0u; round < params.rounds; round++) {
          let shift = round * ${MEMORY_WORKGROUP_SIZE}u;
          for (var i = id.x; i < params.count; i += stride) {
            let at = (i + shift) & (params.count - 1u);
            y[at] = x[at];
          }
        }
      }
    `,
  ),
};

export const emptyKernel: LimitKernel = { name: 'empty', code: '@compute @workgroup_size(1) fn main() {}\n' };

/** The FMA kernel with a number in it that makes its text new, so that it is compiled. */
export function saltedKernel(salt: number): LimitKernel {
  const [kernel] = fmaKernels('f32');
  invariant(kernel, 'there is no FMA kernel');
  return {
    name: `${kernel.name} ${salt}`,
    code: kernel.code.replace('/ 64', `/ ${64 + (salt % 1)} + ${salt.toFixed(3)}`),
  };
}
