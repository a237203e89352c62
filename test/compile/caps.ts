import type { Caps } from '../../src/core/caps.ts';

/** An adapter for tests that need no GPU; `limits` overrides single ones. */
export const testCaps = (limits: Partial<Caps['limits']> = {}): Caps => ({
  adapterName: 'test adapter',
  kind: 'software',
  features: { shaderF16: true, subgroups: false, timestampQuery: false },
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  limits: {
    maxBufferSize: 2 ** 30,
    maxStorageBufferBindingSize: 2 ** 27,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxComputeWorkgroupSizeY: 256,
    maxComputeWorkgroupsPerDimension: 65535,
    minStorageBufferOffsetAlignment: 256,
    minUniformBufferOffsetAlignment: 256,
    ...limits,
  },
});
