import type { Caps } from '../core/caps.ts';
import { storageByteLength } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { kernelLabel, kernelText, presentBindings } from '../kernels/kernel.ts';
import { packParams, paramsByteLength } from '../wgsl/params.ts';
import type { Choice } from './choose.ts';
import { type Ir, type IrNode, type IrTensor, nodeLabel } from './ir.ts';
import type { BufferLayout } from './place-buffers.ts';
import type { Plan, PlanBinding, PlanDispatch, PlanPipeline, PlanTensor } from './plan.ts';
import { alignUp } from './plan-memory.ts';

/** A node and the kernel that runs it. */
export interface Step {
  readonly node: IrNode;
  readonly choice: Choice;
}

/** Writes out steps as dispatches: pipelines shared by their text, params packed, tensors bound to byte ranges. */
export function schedule(ir: Ir, steps: readonly Step[], layout: BufferLayout, caps: Caps): Plan {
  const pipelines = createPipelineList();
  const params = createParamsPacker(caps.limits.minUniformBufferOffsetAlignment);
  const dispatches = steps.map(({ node, choice }): PlanDispatch => {
    const { kernel, tuning, call, cost, workgroups, reason } = choice;
    return {
      label: nodeLabel(node),
      pipeline: pipelines.indexOf(choice),
      kernel: kernelLabel(kernel, tuning),
      bindings: presentBindings(kernel, call).map(({ name }) => {
        const tensor = node.outputs[name] ?? node.inputs[name];
        invariant(tensor, `${kernel.name} binds "${name}", which ${nodeLabel(node)} lacks`);
        return bindingOf(tensor, layout);
      }),
      ...params.add(choice),
      workgroups,
      cost,
      outputs: Object.values(node.outputs).map(({ name }) => name),
      fused: node.fused,
      choice: reason,
    };
  });
  const tensorEntry = (name: string, tensor: IrTensor): [string, PlanTensor] => [
    name,
    { dtype: tensor.dtype, shape: tensor.shape, binding: bindingOf(tensor, layout) },
  ];
  return {
    buffers: layout.buffers,
    pipelines: pipelines.list,
    dispatches,
    params: params.bytes(),
    inputs: new Map(ir.inputs.map((tensor) => tensorEntry(sourceName(tensor), tensor))),
    outputs: new Map([...ir.outputs].map(([name, tensor]) => tensorEntry(name, tensor))),
    intermediateBytes: layout.intermediateBytes,
  };
}

function sourceName({ source, name }: IrTensor): string {
  invariant(source.kind === 'input', `tensor "${name}" is no input`);
  return source.name;
}

function bindingOf(tensor: IrTensor, layout: BufferLayout): PlanBinding {
  const { buffer, offset } = layout.placeOf(tensor);
  return { buffer, offset, byteLength: storageByteLength(tensor.dtype, tensor.shape) };
}

function createPipelineList() {
  const list: PlanPipeline[] = [];
  const byText = new Map<string, number>();
  // Equal calls share their Choice object, so most dispatches never get as far as the text.
  const byChoice = new Map<Choice, number>();
  const add = ({ kernel, tuning, call }: Choice): number => {
    const code = kernelText(kernel, call, tuning);
    const known = byText.get(code);
    if (known !== undefined) return known;
    const bindings = presentBindings(kernel, call).map(({ access }) =>
      access === 'read' ? 'read-only-storage' : 'storage',
    );
    byText.set(code, list.length);
    return list.push({ label: kernelLabel(kernel, tuning), code, bindings }) - 1;
  };
  return {
    list,
    indexOf(choice: Choice): number {
      const index = byChoice.get(choice) ?? add(choice);
      byChoice.set(choice, index);
      return index;
    },
  };
}

/** Equal params are packed once. */
function createParamsPacker(alignment: number) {
  const chunks: { offset: number; choice: Choice }[] = [];
  const offsets = new Map<Choice, number>();
  let byteLength = 0;
  return {
    add(choice: Choice): { paramsOffset: number; paramsByteLength: number } {
      const size = Math.max(16, paramsByteLength(choice.kernel.params));
      const known = offsets.get(choice);
      const offset = known ?? byteLength;
      if (known === undefined) {
        offsets.set(choice, offset);
        chunks.push({ offset, choice });
        byteLength = alignUp(byteLength + size, alignment);
      }
      return { paramsOffset: offset, paramsByteLength: size };
    },
    bytes(): Uint8Array {
      const bytes = new Uint8Array(Math.max(16, byteLength));
      const view = new DataView(bytes.buffer);
      for (const { offset, choice } of chunks)
        packParams(choice.kernel.params, choice.call.params, view, offset);
      return bytes;
    },
  };
}
