/**
 * What an adapter can do, as plain data: kernels and the compiler read this and never touch a GPUDevice,
 * so both run and are tested on any machine.
 */
export interface Caps {
  /** Name for people: `llvmpipe (LLVM 19.1.7, 256 bits)`. */
  readonly adapterName: string;
  /** `software` executes on a CPU: SIMD lanes instead of warps, gathers are dear, workgroup memory is a cache. */
  readonly kind: 'software' | 'integrated' | 'discrete' | 'unknown';
  readonly features: {
    readonly shaderF16: boolean;
    readonly subgroups: boolean;
    readonly timestampQuery: boolean;
  };
  /** Zero where subgroups are missing. */
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  readonly limits: {
    readonly maxBufferSize: number;
    readonly maxStorageBufferBindingSize: number;
    readonly maxStorageBuffersPerShaderStage: number;
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxComputeWorkgroupSizeX: number;
    readonly maxComputeWorkgroupSizeY: number;
    readonly maxComputeWorkgroupsPerDimension: number;
    readonly minStorageBufferOffsetAlignment: number;
    readonly minUniformBufferOffsetAlignment: number;
  };
  /** What `tessera tune` measured on this adapter, by call; undefined or without a call: the cost model decides. */
  readonly tuned?: TunedKernels | undefined;
}

/** The fastest kernel of a call, by measurement. */
export interface TunedKernel {
  /** `matmul_tiled{tileM: 8, tileN: 16}` */
  readonly label: string;
  /** Of one dispatch. */
  readonly ms: number;
  /** Of all that could serve the call when it was measured: another one today makes the entry void. */
  readonly digest: string;
}

/** By the call's signature: its op, types and attributes. */
export type TunedKernels = ReadonlyMap<string, TunedKernel>;
