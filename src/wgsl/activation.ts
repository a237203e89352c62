import type { Snippet } from './wgsl.ts';

/** `erf(x)`: f32 → f32. */
export const erf: Snippet = {
  name: 'erf',
  // Abramowitz & Stegun 7.1.26: absolute error under 1.5e-7, which is the rounding of f32 around 1.
  code: `
    fn erf(x: f32) -> f32 {
      let z = abs(x);
      let t = 1.0 / (1.0 + 0.3275911 * z);
      let poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
      return sign(x) * (1.0 - poly * exp(-z * z));
    }
  `,
};

const sigmoid: Snippet = {
  name: 'sigmoid',
  code: `
    fn sigmoid(x: f32) -> f32 {
      return 1.0 / (1.0 + exp(-x));
    }
  `,
};

/** `gelu(x)`, `silu(x)`, ...: f32 → f32, named as `hidden_act` in checkpoints. f64 twins: ops/activation.ts. */
export const activationSnippets: Readonly<
  Record<'gelu' | 'gelu_pytorch_tanh' | 'quick_gelu' | 'silu' | 'relu', Snippet>
> = {
  gelu: {
    name: 'gelu',
    uses: [erf],
    code: `
      fn gelu(x: f32) -> f32 {
        return 0.5 * x * (1.0 + erf(x * 0.7071067811865476));
      }
    `,
  },
  gelu_pytorch_tanh: {
    name: 'gelu_pytorch_tanh',
    // Clamped: tanh of a large argument overflows to NaN on some drivers.
    code: `
      fn gelu_pytorch_tanh(x: f32) -> f32 {
        let inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
        return 0.5 * x * (1.0 + tanh(clamp(inner, -15.0, 15.0)));
      }
    `,
  },
  quick_gelu: {
    name: 'quick_gelu',
    uses: [sigmoid],
    code: `
      fn quick_gelu(x: f32) -> f32 {
        return x * sigmoid(1.702 * x);
      }
    `,
  },
  silu: {
    name: 'silu',
    uses: [sigmoid],
    code: `
      fn silu(x: f32) -> f32 {
        return x * sigmoid(x);
      }
    `,
  },
  relu: {
    name: 'relu',
    code: `
      fn relu(x: f32) -> f32 {
        return max(x, 0.0);
      }
    `,
  },
};
