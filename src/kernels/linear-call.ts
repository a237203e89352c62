import { DTYPE_BYTES } from '../core/dtype.ts';
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

export type LinearCall = KernelCall<typeof linearParams>;

export function prepareLinear({ inputs, attrs }: OpCall<LinearAttrs>) {
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

/** `store(sum, row, column)`: adds the bias, applies the activation, adds the residual, writes y. */
export function linearStore({ dtypes, variant }: KernelShape): Snippet {
  const activation = activationSnippets[variant.activation as keyof typeof activationSnippets];
  const biased = dtypes.bias ? 'sum + f32(bias[column])' : 'sum';
  const activated = activation ? `${activation.name}(${biased})` : biased;
  const added = dtypes.residual ? `${activated} + f32(residual[at])` : activated;
  return {
    name: 'store',
    uses: activation ? [activation] : [],
    code: `
      fn store(sum: f32, row: u32, column: u32) {
        let at = row * params.n + column;
        y[at] = ${dtypes.y}(${added});
      }
    `,
  };
}
