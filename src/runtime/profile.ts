import type { Plan } from '../compile/plan.ts';
import type { Device } from '../device/gpu-device.ts';
import { createTimestamps } from '../device/timestamps.ts';
import type { Cost } from '../kernels/kernel.ts';

/** GPU time of one dispatch. */
export interface DispatchTime {
  /** Scope and op. */
  readonly label: string;
  /** Kernel and tuning. */
  readonly kernel: string;
  readonly timeMs: number;
  readonly cost: Cost;
}

export interface EncodableStep {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
  readonly label: string;
}

/** Dispatches timed per submit: a query set holds at most 4096 timestamps (WebGPU, section 20.1). */
const MAX_TIMED_PASSES = 2048;

/** Runs `steps` with a pass each, since WebGPU takes timestamps at the bounds of passes only. */
export async function profileDispatches(
  device: Device,
  plan: Plan,
  steps: readonly EncodableStep[],
  begin: () => GPUCommandEncoder,
): Promise<readonly DispatchTime[]> {
  const timestamps = createTimestamps(device, Math.min(MAX_TIMED_PASSES, Math.max(1, steps.length)));
  const times: number[] = [];
  try {
    let encoder = begin();
    for (let start = 0; start < steps.length; start += MAX_TIMED_PASSES) {
      for (const { label, pipeline, group, workgroups } of steps.slice(start, start + MAX_TIMED_PASSES)) {
        const pass = encoder.beginComputePass({ label, timestampWrites: timestamps.begin(label) });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...workgroups);
        pass.end();
      }
      timestamps.resolve(encoder);
      device.gpu.queue.submit([encoder.finish()]);
      times.push(...(await timestamps.read()).map(({ timeMs }) => timeMs));
      encoder = device.gpu.createCommandEncoder({ label: 'profile' });
    }
  } finally {
    timestamps.dispose();
  }
  return plan.dispatches.map(({ label, kernel, cost }, i) => ({
    label,
    kernel,
    cost,
    timeMs: times[i] ?? Number.NaN,
  }));
}
