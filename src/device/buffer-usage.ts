/**
 * WebGPU's flag constants under our own names: Node has no `GPUBufferUsage` global, and the engine does not
 * put one there. Values: https://www.w3.org/TR/webgpu/#typedefdef-gpubufferusageflags
 */

/** Flags for `device.createBuffer`; combine with `|`. */
export const bufferUsage = {
  mapRead: 0x0001,
  mapWrite: 0x0002,
  copySrc: 0x0004,
  copyDst: 0x0008,
  index: 0x0010,
  vertex: 0x0020,
  uniform: 0x0040,
  storage: 0x0080,
  indirect: 0x0100,
  queryResolve: 0x0200,
} as const;

/** Modes for `buffer.mapAsync`. */
export const mapMode = { read: 0x0001, write: 0x0002 } as const;

/** Stages for bind group layouts. */
export const shaderStage = { compute: 0x0004 } as const;
