/** A tensor of TensorFlow.js, as far as this file uses it. */
export interface Tf {
  readonly shape: readonly number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}

export interface TfVariable extends Tf {
  readonly name: string;
  assign(value: Tf): void;
}

export interface TfOptimizer {
  applyGradients(gradients: Readonly<Record<string, Tf>>): void;
  dispose(): void;
}

export interface TfCore {
  readonly version_core: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(values: Float32Array, shape: readonly number[]): Tf;
  tidy<T>(build: () => T): T;
  keep(x: Tf): Tf;
  variable(x: Tf): TfVariable;
  variableGrads(
    loss: () => Tf,
    variables: readonly TfVariable[],
  ): { readonly value: Tf; readonly grads: Readonly<Record<string, Tf>> };
  readonly train: { adam(rate: number, beta1: number, beta2: number, eps: number): TfOptimizer };
  matMul(a: Tf, b: Tf, transposeA?: boolean, transposeB?: boolean): Tf;
  readonly fused: { matMul(of: { a: Tf; b: Tf; bias?: Tf; transposeB?: boolean }): Tf };
  add(a: Tf, b: Tf | number): Tf;
  sub(a: Tf, b: Tf): Tf;
  mul(a: Tf, b: Tf | number): Tf;
  square(x: Tf): Tf;
  rsqrt(x: Tf): Tf;
  erf(x: Tf): Tf;
  sigmoid(x: Tf): Tf;
  softmax(x: Tf): Tf;
  mean(x: Tf, axis?: number, keepDims?: boolean): Tf;
  moments(x: Tf, axis: number, keepDims: boolean): { readonly mean: Tf; readonly variance: Tf };
  reshape(x: Tf, shape: readonly number[]): Tf;
  transpose(x: Tf, order: readonly number[]): Tf;
  slice(x: Tf, begin: readonly number[], size: readonly number[]): Tf;
  split(x: Tf, parts: number, axis: number): Tf[];
  concat(parts: readonly Tf[], axis: number): Tf;
}
