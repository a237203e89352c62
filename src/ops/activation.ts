/** Activation functions by the names checkpoints use in `hidden_act`, in f64. WGSL twins: wgsl/activation.ts. */
export const ACTIVATIONS = ['gelu', 'gelu_pytorch_tanh', 'quick_gelu', 'silu', 'relu'] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export const activationReference: Readonly<Record<Activation, (x: number) => number>> = {
  /** Exact GELU: x Φ(x) (Hendrycks & Gimpel 2016). */
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_pytorch_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  /** CLIP's approximation: x σ(1.702 x). */
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
};

/** Error function in f64: its Maclaurin series near zero, the continued fraction of erfc beyond (A&S 7.1.5, 7.1.14). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = z;
  for (let k = 60; k >= 1; k--) fraction = z + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (fraction * Math.sqrt(Math.PI)));
}
