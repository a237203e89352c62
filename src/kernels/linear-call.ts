import { DTYPE_BYTES, isPacked, type PackedDType } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import type { LinearAttrs } from '../ops/linear.ts';
import { required } from '../ops/op.ts';
import { activationSnippets } from '../wgsl/activation.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { Cost, KernelCall, KernelShape, OpCall } from './kernel.ts';

// What all kernels of `linear` share: bindings, sizes, counts, and how a finished sum is stored.

export const linearBindings = {
  x: 'read',
  weight: 'read',
  bias: 'read?',
  residual: 'read?',
  y: 'write',
} as const;

/** y [m, n] = x [m, k] · weight [n, k]ᵀ */
export const linearParams = { m: 'u32', n: 'u32', k: 'u32' } as const;

/** Up to here a call is a few vectors times a matrix: `linear_matvec_*` serve it, and tiles of rows stay away. */
export const MATVEC_ROWS = 8;

export type LinearCall = KernelCall<typeof linearParams>;

/** For kernels of a float weight, which give packed ones a reason. */
export const prepareLinear = (call: OpCall<LinearAttrs>) => {
  const { dtype } = required(call.inputs, 'weight', 'linear');
  return isPacked(dtype) ? `weight is ${dtype}, which linear_packed_* read` : prepareAnyLinear(call);
};

/** How the weight of a call that `preparePackedLinear` accepts is packed. */
export const packedDType = ({ dtypes }: KernelShape): PackedDType => (dtypes.weight === 'q4' ? 'q4' : 'q8');

/** For kernels of a packed weight. */
export const preparePackedLinear = (call: OpCall<LinearAttrs>) => {
  const { dtype } = required(call.inputs, 'weight', 'linear');
  return isPacked(dtype) ? prepareAnyLinear(call) : `weight is ${dtype}, not packed`;
};

export function prepareAnyLinear({ inputs, attrs }: OpCall<LinearAttrs>) {
  const x = required(inputs, 'x', 'linear');
  const weight = required(inputs, 'weight', 'linear');
  const k = dim(weight.shape, 1);
  return {
    params: { m: elementCount(x.shape) / k, n: dim(weight.shape, 0), k },
    variant: { activation: attrs.activation ?? 'none' },
  };
}

export function linearCost({ params: { m, n, k }, dtypes }: LinearCall): Cost {
  const bytes = (name: string, elements: number): number =>
    name in dtypes ? elements * DTYPE_BYTES[dtypes[name] ?? 'f32'] : 0;
  return {
    flops: 2 * m * n * k,
    bytesRead: bytes('x', m * k) + bytes('weight', n * k) + bytes('bias', n) + bytes('residual', m * n),
    bytesWritten: bytes('y', m * n),
  };
}

/** WGSL types of those of `names` that are present, as vectors of four. */
export function vec4Elements({ dtypes }: KernelShape, ...names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.filter((name) => name in dtypes).map((name) => [name, `vec4<${dtypes[name]}>`]),
  );
}

/**
 * `store(sum, row, column)`: adds the bias, applies the activation, adds the residual, writes y.
 * With `vec` 4 it takes the sums of `column` to `column + 3`, and bias, residual and y are bound as vec4.
 */
export function linearStore({ dtypes, variant }: KernelShape, vec: 1 | 4): Snippet {
  const float = vec === 4 ? 'vec4f' : 'f32';
  const activation = activationSnippets[variant.activation as keyof typeof activationSnippets];
  const activate = (value: string): string => {
    if (!activation) return value;
    const lanes = ['x', 'y', 'z', 'w'].map((lane) => `${activation.name}(${value}.${lane})`);
    return vec === 4 ? `vec4f(${lanes.join(', ')})` : `${activation.name}(${value})`;
  };
  const stored = vec === 4 ? `vec4<${dtypes.y}>` : dtypes.y;
  return {
    name: 'store',
    uses: activation ? [activation] : [],
    code: `
      fn store(sum: ${float}, row: u32, column: u32) {
        let at = (row * params.n + column) / ${vec}u;
        let biased = ${dtypes.bias ? `sum + ${float}(bias[column / ${vec}u])` : 'sum'};
        let activated = ${activate('biased')};
        y[at] = ${stored}(${dtypes.residual ? `activated + ${float}(residual[at])` : 'activated'});
      }
    `,
  };
}
