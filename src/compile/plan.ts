import type { DType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { ConstantData } from '../graph/tensor.ts';
import type { Cost } from '../kernels/kernel.ts';

/** What a graph compiles to: plain data that a Session replays. Indices point into the lists beside them. */
export interface Plan {
  readonly buffers: readonly PlanBuffer[];
  readonly pipelines: readonly PlanPipeline[];
  readonly dispatches: readonly PlanDispatch[];
  /** The params structs of all dispatches, each at its own aligned offset. */
  readonly params: Uint8Array;
  readonly inputs: ReadonlyMap<string, PlanTensor>;
  readonly outputs: ReadonlyMap<string, PlanTensor>;
  /** What the arenas would take together if no two intermediates shared memory. */
  readonly intermediateBytes: number;
}

export type PlanBuffer =
  /** Scratch that several intermediates share over time. */
  | { readonly kind: 'arena'; readonly label: string; readonly byteLength: number }
  | { readonly kind: 'input'; readonly label: string; readonly byteLength: number }
  /** A checkpoint tensor (or a range of its rows) as `dtype`, shared by name between plans. */
  | {
      readonly kind: 'weight';
      readonly label: string;
      readonly byteLength: number;
      readonly name: string;
      readonly dtype: DType;
      readonly shape: Shape;
      readonly rows?: readonly [begin: number, end: number];
    }
  /** Keeps its values between runs, shared by name between plans; zero at first. */
  | { readonly kind: 'state'; readonly label: string; readonly byteLength: number; readonly name: string }
  | {
      readonly kind: 'constant';
      readonly label: string;
      readonly byteLength: number;
      readonly name: string;
      readonly data: ConstantData;
    };

/** A byte range of one buffer. */
export interface PlanBinding {
  readonly buffer: number;
  readonly offset: number;
  readonly byteLength: number;
}

export interface PlanPipeline {
  /** `matmul_tiled{tileM: 8, ...}` */
  readonly label: string;
  readonly code: string;
  /** Buffer type of bindings 1, 2, ...; binding 0 is the params uniform. */
  readonly bindings: readonly ('read-only-storage' | 'storage')[];
}

export interface PlanDispatch {
  /** Scope, op and module: `layers.3 linear q_proj`. */
  readonly label: string;
  readonly pipeline: number;
  /** Kernel and tuning: `matmul_tiled{tileM: 8, ...}`. */
  readonly kernel: string;
  readonly bindings: readonly PlanBinding[];
  readonly paramsOffset: number;
  readonly paramsByteLength: number;
  readonly workgroups: readonly [number, number, number];
  readonly cost: Cost;
  /** Names of the tensors it writes. */
  readonly outputs: readonly string[];
  /** Ops it stands for, in order; one where nothing was fused. */
  readonly fused: readonly string[];
  /** Why this kernel: the candidates with their estimates, and the refusals with their reasons. */
  readonly choice: string;
}

/** A tensor the caller writes or reads. */
export interface PlanTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly binding: PlanBinding;
}
