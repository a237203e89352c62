/** An array of jax-js, as far as this file uses it. Using one up frees it; `ref` is for one more use. */
export interface Arr {
  readonly ref: Arr;
  reshape(shape: readonly number[]): Arr;
  astype(dtype: string): Arr;
  add(other: Arr | number): Arr;
  sub(other: Arr): Arr;
  mul(other: Arr | number): Arr;
  div(other: Arr): Arr;
  slice(...ranges: readonly (readonly number[])[]): Arr;
  data(): Promise<Float32Array>;
  blockUntilReady(): Promise<Arr>;
  dispose(): void;
}

/** What functions take and give. */
export type ArrTree = Arr | readonly Arr[];

export interface Jax {
  init(device: string): Promise<readonly string[]>;
  defaultDevice(device: string): void;
  getWebGPUDevice(): GPUDevice;
  jit<Args extends readonly ArrTree[], Result>(f: (...args: Args) => Result): (...args: Args) => Result;
  /** Of the loss and its gradient by the first argument. */
  valueAndGrad(
    loss: (parameters: readonly Arr[], ...rest: readonly Arr[]) => Arr,
  ): (parameters: readonly Arr[], ...rest: readonly Arr[]) => readonly [Arr, readonly Arr[]];
  readonly numpy: {
    readonly float16: string;
    array(values: Float32Array): Arr;
    matmul(a: Arr, b: Arr): Arr;
    transpose(x: Arr, order: readonly number[]): Arr;
    concatenate(parts: readonly Arr[], axis: number): Arr;
    mean(x: Arr, axis: number | null, options?: { readonly keepdims: boolean }): Arr;
    square(x: Arr): Arr;
    sqrt(x: Arr): Arr;
  };
  readonly nn: {
    softmax(x: Arr, axis: number): Arr;
    standardize(x: Arr, axis: number, options: { readonly epsilon: number }): Arr;
    dotProductAttention(q: Arr, k: Arr, v: Arr, options?: { readonly isCausal: boolean }): Arr;
    gelu(x: Arr, options: { readonly approximate: boolean }): Arr;
    silu(x: Arr): Arr;
  };
}
