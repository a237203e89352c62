import type { Caps } from '../core/caps.ts';
import type { DType } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import type { Attrs, Named, Op, TensorType } from '../ops/op.ts';
import { type ParamSpec, type ParamValues, paramsStruct } from '../wgsl/params.ts';
import { assemble, type WgslSource } from '../wgsl/wgsl.ts';

/** One op with its types and attributes: what a kernel is asked to compute. */
export interface OpCall<A extends Attrs = Attrs> {
  readonly inputs: Named<TensorType>;
  readonly outputs: Named<TensorType>;
  readonly attrs: A;
}

/** `read` and `write` as they say; `read_write` updates in place. A trailing `?`: bound only where the call has it. */
export type BindingAccess = 'read' | 'write' | 'read_write' | 'read?' | 'write?';
export type BindingSpec = Readonly<Record<string, BindingAccess>>;

/** One choice per tuning axis, e.g. `{ workgroupSize: 64, rowsPerThread: 4 }`. */
export type TuningPoint<T extends TuningSpace> = { readonly [K in keyof T]: T[K][number] };
export type TuningSpace = Readonly<Record<string, readonly (number | string)[]>>;

/** Attributes that shape the code itself, e.g. `{ activation: 'gelu', mask: 'causal' }`. */
export type Variant = Readonly<Record<string, string | number | boolean>>;

/** Everything that decides the WGSL text besides tuning: never sizes. */
export interface KernelShape {
  /** dtype of each bound tensor; absent optional ones are not in it. */
  readonly dtypes: Named<DType>;
  readonly variant: Variant;
}

export interface KernelCall<P extends ParamSpec = ParamSpec> extends KernelShape {
  readonly params: ParamValues<P>;
}

/** Counts only; one shared roofline turns them into time. */
export interface Cost {
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** See `defineKernel`. */
export interface KernelSpec<A extends Attrs, P extends ParamSpec, T extends TuningSpace> {
  /** op_strategy: `matmul_tiled`. GPU label, bench id and error prefix. */
  readonly name: string;
  readonly op: Op<A>;
  /** Bindings are numbered from 1 in this order, absent ones skipped; the params struct is binding 0. */
  readonly bindings: BindingSpec;
  readonly params: P;
  readonly tuning: T;
  /** Sizes and code-shaping attributes of a call, or the reason why this kernel cannot serve it on any adapter. */
  prepare(call: OpCall<A>): { readonly params: ParamValues<P>; readonly variant?: Variant } | string;
  /** `true`, or the reason why this tuning point cannot serve this call on this adapter. */
  supports(call: KernelCall<P>, t: TuningPoint<T>, caps: Caps): true | string;
  /** WGSL element type per binding where it is not the dtype itself: `{ x: 'vec4<f32>' }`. */
  elements?(shape: KernelShape, t: TuningPoint<T>): Readonly<Record<string, string>>;
  /** Entry point `main` and what it calls; `params` and the bindings by name are in scope. */
  wgsl(shape: KernelShape, t: TuningPoint<T>): WgslSource;
  /** Workgroups. `spreadWorkgroups` keeps each dimension under 65,536. */
  dispatch(call: KernelCall<P>, t: TuningPoint<T>): readonly [number, number, number];
  cost(call: KernelCall<P>): Cost;
  /**
   * Multiplier on the roofline's time for this tuning point on this adapter: 1 is what the counts say.
   * The chooser takes the smallest product; keep what was measured and where in the kernel's doc comment.
   */
  efficiency?(call: KernelCall<P>, t: TuningPoint<T>, caps: Caps): number;
}

/** A kernel with its types forgotten, as the registry and the compiler hold it. */
export type Kernel = KernelSpec<Attrs, ParamSpec, TuningSpace>;

/** Types a kernel by its own literals, and forgets them for the registry. */
export function defineKernel<A extends Attrs, const P extends ParamSpec, const T extends TuningSpace>(
  spec: KernelSpec<A, P, T>,
): Kernel {
  return spec as unknown as Kernel;
}

/** Sizes, dtypes and variant of `call` for `kernel`, or the reason for its refusal. */
export function prepareCall(kernel: Kernel, call: OpCall): KernelCall | string {
  const prepared = kernel.prepare(call);
  if (typeof prepared === 'string') return prepared;
  const dtypes: Record<string, DType> = {};
  for (const [name, access] of Object.entries(kernel.bindings)) {
    // An output aliases the input it updates in place, so a read_write binding may carry the input's name.
    const type = call.outputs[name] ?? call.inputs[name];
    if (type) dtypes[name] = type.dtype;
    else invariant(access.endsWith('?'), `${kernel.name} binds "${name}", which the call lacks`);
  }
  return { params: prepared.params, variant: prepared.variant ?? {}, dtypes };
}

/** Every combination of a tuning space, first values first. */
export function tuningPoints(space: TuningSpace): TuningPoint<TuningSpace>[] {
  return Object.entries(space).reduce<Record<string, number | string>[]>(
    (points, [axis, values]) =>
      points.flatMap((point) => values.map((value) => ({ ...point, [axis]: value }))),
    [{}],
  );
}

/** `matmul_tiled{tileM: 8, tileN: 16}`: names a pipeline in labels and errors. */
export function kernelLabel(kernel: Kernel, t: TuningPoint<TuningSpace>): string {
  const axes = Object.entries(t).map(([axis, value]) => `${axis}: ${value}`);
  return axes.length ? `${kernel.name}{${axes.join(', ')}}` : kernel.name;
}

/** Bindings present in `shape`, in binding order from 1. */
export function presentBindings(
  kernel: Kernel,
  shape: KernelShape,
): { readonly name: string; readonly access: 'read' | 'write' | 'read_write' }[] {
  return Object.entries(kernel.bindings)
    .filter(([name]) => name in shape.dtypes)
    .map(([name, access]) => ({ name, access: access.replace('?', '') as 'read' | 'write' | 'read_write' }));
}

/** The whole WGSL module: directives, params struct, bindings, snippets, body. It alone is the pipeline's identity. */
export function kernelText(kernel: Kernel, shape: KernelShape, t: TuningPoint<TuningSpace>): string {
  const elements = kernel.elements?.(shape, t) ?? {};
  const bindings = presentBindings(kernel, shape).map(({ name, access }, i) => {
    const element = elements[name] ?? shape.dtypes[name];
    const mode = access === 'read' ? 'read' : 'read_write';
    return `@group(0) @binding(${i + 1}) var<storage, ${mode}> ${name}: array<${element}>;`;
  });
  const header = [
    paramsStruct(kernel.params),
    '@group(0) @binding(0) var<uniform> params: Params;',
    ...bindings,
  ].join('\n');
  return assemble(header, kernel.wgsl(shape, t));
}

/** Spreads `count` workgroups over x and y, each under WebGPU's default limit of 65,535 per dimension. */
export function spreadWorkgroups(count: number): readonly [number, number, number] {
  const limit = 65535;
  if (count <= limit) return [count, 1, 1];
  const y = Math.ceil(count / limit);
  return [Math.ceil(count / y), y, 1];
}
