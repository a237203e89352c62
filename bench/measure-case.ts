import type { Device } from '../src/device/gpu-device.ts';
import type { BenchCase } from './bench-case.ts';
import { type Measured, timeCase } from './time-case.ts';
import { sampleWallClock, type WallClockOptions } from './wall-clock.ts';

/** `timeCase` with samples as `benchmark` takes them. */
export const measureCase = (
  device: Device,
  benchCase: BenchCase,
  options: WallClockOptions,
): Promise<Measured> => timeCase(device, benchCase, (name, run) => sampleWallClock(name, run, options));
