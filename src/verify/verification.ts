import type { Device } from '../device/gpu-device.ts';
import type { Precision } from '../models/parameters.ts';
import type { WeightStore } from '../runtime/weight-store.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** An opened checkpoint on a device, and how far from its reference it may be. */
export interface Verification {
  readonly files: CheckpointFiles;
  readonly device: Device;
  readonly weightScope: WeightScope;
  readonly weights: WeightStore;
  readonly precision: Precision;
  /** Largest error relative to RMS that passes. */
  readonly tolerance: number;
}
