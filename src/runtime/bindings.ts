import type { Plan, PlanPipeline } from '../compile/plan.ts';
import { invariant } from '../core/errors.ts';
import { shaderStage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';

interface Layout {
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** One layout per list of binding types and device: the pipeline cache tells pipelines apart by their layout. */
const layoutsByDevice = new WeakMap<Device, Map<string, Layout>>();

/** The one layout of a params struct and then `bindings`. */
export function bindingLayout(device: Device, bindings: PlanPipeline['bindings']): Layout {
  const layouts = layoutsByDevice.get(device) ?? new Map<string, Layout>();
  layoutsByDevice.set(device, layouts);
  const key = bindings.join();
  const known = layouts.get(key);
  if (known) return known;
  const types: readonly GPUBufferBindingType[] = ['uniform', ...bindings];
  const group = device.gpu.createBindGroupLayout({
    label: key,
    entries: types.map((type, binding) => ({ binding, visibility: shaderStage.compute, buffer: { type } })),
  });
  const layout = { group, pipeline: device.gpu.createPipelineLayout({ bindGroupLayouts: [group] }) };
  layouts.set(key, layout);
  return layout;
}

/** Makes all pipelines of `plan` at once, asynchronously. Throws DeviceError naming the kernel that fails. */
export function createPipelines(
  device: Device,
  plan: Plan,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<readonly GPUComputePipeline[]> {
  let done = 0;
  return Promise.all(
    plan.pipelines.map(async (pipeline) => {
      const made = await createPipeline(device, pipeline);
      onProgress?.(++done, plan.pipelines.length);
      return made;
    }),
  );
}

/** One pipeline, which plans share on a device. Throws DeviceError naming the kernel where it fails. */
export const createPipeline = (
  device: Device,
  { label, code, bindings }: PlanPipeline,
): Promise<GPUComputePipeline> =>
  device.computePipeline(label, code, bindingLayout(device, bindings).pipeline);

/** One bind group per dispatch: its params, then its tensors in the kernel's order. */
export function createBindGroups(
  device: Device,
  plan: Plan,
  params: GPUBuffer,
  buffers: readonly GPUBuffer[],
): readonly GPUBindGroup[] {
  return plan.dispatches.map((dispatch) => {
    const pipeline = plan.pipelines[dispatch.pipeline];
    invariant(pipeline, `${dispatch.label} has no pipeline`);
    const ranges = [
      { buffer: params, offset: dispatch.paramsOffset, size: dispatch.paramsByteLength },
      ...dispatch.bindings.map(({ buffer, offset, byteLength }) => {
        const bound = buffers[buffer];
        invariant(bound, `${dispatch.label} binds buffer ${buffer} of ${buffers.length}`);
        return { buffer: bound, offset, size: byteLength };
      }),
    ];
    return device.gpu.createBindGroup({
      label: dispatch.label,
      layout: bindingLayout(device, pipeline.bindings).group,
      entries: ranges.map((resource, binding) => ({ binding, resource })),
    });
  });
}
