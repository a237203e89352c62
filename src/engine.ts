/**
 * The tensor engine by itself, `tessera-vlm/engine`: graphs, the compiler with its kernels, the device, weights from
 * safetensors, sessions. No models, no text, no pictures, no training; under 60 KB compressed.
 *
 * @module tessera-vlm/engine
 */

export { type CompileOptions, compileWith } from './compile/compile-with.ts';
export { type KernelSet, tensorKernels } from './compile/kernel-sets.ts';
export type { Plan } from './compile/plan.ts';
export type { Caps, TunedKernel, TunedKernels } from './core/caps.ts';
export type { DType, FloatDType, PackedDType, WeightDType } from './core/dtype.ts';
export {
  AbortError,
  ConfigError,
  DeviceError,
  EngineError,
  type ErrorCode,
  InputError,
  ShapeError,
  UnsupportedError,
  WeightError,
} from './core/errors.ts';
export type { Shape } from './core/shape.ts';
export type { Device } from './device/gpu-device.ts';
export { type RequestDeviceOptions, requestDevice } from './device/request-device.ts';
export { type AttentionOptions, attention } from './graph/attention.ts';
export { cacheAppend } from './graph/cache-append.ts';
export { type Conv2dOptions, conv2d } from './graph/conv2d.ts';
export { type EmbeddingOptions, embedding } from './graph/embedding.ts';
export { Graph } from './graph/graph.ts';
export { interpolate } from './graph/interpolate.ts';
export { type LinearOptions, linear } from './graph/linear.ts';
export { logSumExp } from './graph/log-sum-exp.ts';
export {
  abs,
  activation,
  add,
  div,
  equal,
  exp,
  log,
  logSigmoid,
  max,
  min,
  mul,
  neg,
  rsqrt,
  scale,
  sigmoid,
  softcap,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './graph/math.ts';
export { matmul } from './graph/matmul.ts';
export { cast, concat, copy, permute, reshape, slice, transpose } from './graph/movement.ts';
export {
  type AddNorm,
  addLayerNorm,
  addRmsNorm,
  layerNorm,
  type RmsNormOptions,
  rmsNorm,
} from './graph/norm.ts';
export { groupNorm, instanceNorm, layerNorm2d } from './graph/norm-2d.ts';
export { patchify } from './graph/patchify.ts';
export { pixelShuffle } from './graph/pixel-shuffle.ts';
export { type AvgPool2dOptions, adaptiveAvgPool2d, avgPool2d } from './graph/pooling.ts';
export {
  argmax,
  l2Normalize,
  logSoftmax,
  type ReduceOptions,
  reduceMax,
  reduceMean,
  reduceSum,
} from './graph/reduce.ts';
export { type RopeOptions, rope } from './graph/rope.ts';
export { softmax } from './graph/softmax.ts';
export { spliceRows } from './graph/splice-rows.ts';
export type { Tensor } from './graph/tensor.ts';
export type { HostArray } from './runtime/host-array.ts';
export type { DeviceTensor, InputValue } from './runtime/inputs.ts';
export type { DispatchTime } from './runtime/profile.ts';
export { createSession, type Session, type SessionOptions } from './runtime/session.ts';
export { createStateStore, type StateStore } from './runtime/state-store.ts';
export { createWeightStore, type WeightStore, type WeightStoreOptions } from './runtime/weight-store.ts';
export { type ByteSource, blobSource, bytesSource } from './weights/byte-source.ts';
export {
  readSafetensors,
  type SafetensorsFile,
  type TensorEntry,
  type TensorIndex,
} from './weights/safetensors.ts';
