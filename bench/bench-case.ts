import type { WeightDType } from '../src/core/dtype.ts';
import type { Device } from '../src/device/gpu-device.ts';
import type { InputValue } from '../src/runtime/inputs.ts';
import type { Session } from '../src/runtime/session.ts';

/** What one row of the bench measures. */
export interface BenchCase {
  /** `linear`, or `vision tower` for a part of a whole model. */
  readonly op: string;
  /** Sizes as the field writes them: `197x768x3072`. */
  readonly shape: string;
  /** Storage of weights; activations are f32. */
  readonly dtype: WeightDType;
  open(device: Device): Promise<OpenCase>;
}

/** A case that can be run. */
export interface OpenCase {
  readonly session: Session;
  readonly inputs: Readonly<Record<string, InputValue>>;
  /** How often a run does what the row is about. */
  readonly copies: number;
  dispose(): void;
}

/** What `--filter` matches and progress shows. */
export const caseName = ({ op, shape, dtype }: BenchCase): string => `${op} ${shape} ${dtype}`;
