import type { Caps } from '../core/caps.ts';
import { storageByteLength } from '../core/dtype.ts';
import { UnsupportedError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import {
  type Cost,
  type Kernel,
  type KernelCall,
  kernelLabel,
  prepareCall,
  presentBindings,
  type TuningPoint,
  type TuningSpace,
  tuningPoints,
} from '../kernels/kernel.ts';
import { KERNELS } from '../kernels/registry.ts';
import type { Named, TensorType } from '../ops/op.ts';
import { type IrNode, nodeLabel } from './ir.ts';
import { rooflineMs } from './roofline.ts';

/** One kernel at one tuning point that can serve a call. */
export interface Candidate {
  readonly kernel: Kernel;
  readonly tuning: TuningPoint<TuningSpace>;
  readonly call: KernelCall;
  readonly cost: Cost;
  readonly workgroups: readonly [number, number, number];
  readonly estimateMs: number;
}

/** The fastest candidate by estimate, and a text that says what else there was and why not. */
export interface Choice extends Candidate {
  readonly reason: string;
}

/**
 * Kernels for nodes on one adapter. Decisions are kept by call signature, so the same layer thirty times is
 * decided once, and equal calls get the same Choice object.
 */
export function createChooser(caps: Caps): (node: IrNode) => Choice {
  const choices = new Map<string, Choice>();
  return (node) => {
    const key = signature(node);
    const known = choices.get(key);
    if (known) return known;
    const choice = choose(node, caps);
    choices.set(key, choice);
    return choice;
  };
}

function signature({ op, inputs, outputs, attrs }: IrNode): string {
  return `${op.name} ${typesKey(inputs)} -> ${typesKey(outputs)} ${JSON.stringify(attrs)}`;
}

const typesKey = (tensors: Named<TensorType>): string =>
  Object.entries(tensors)
    .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join()}]`)
    .join(' ');

function choose(node: IrNode, caps: Caps): Choice {
  const candidates: Candidate[] = [];
  const refusals: string[] = [];
  for (const kernel of KERNELS.filter(({ op }) => op.name === node.op.name)) {
    const call = prepareCall(kernel, node);
    if (typeof call === 'string') {
      refusals.push(`${kernel.name}: ${call}`);
      continue;
    }
    for (const tuning of tuningPoints(kernel.tuning)) {
      const candidate = consider(kernel, tuning, call, node, caps);
      if (typeof candidate === 'string') refusals.push(`${kernelLabel(kernel, tuning)}: ${candidate}`);
      else candidates.push(candidate);
    }
  }
  candidates.sort((a, b) => a.estimateMs - b.estimateMs);
  const [best] = candidates;
  if (!best) {
    const calls = `inputs ${describeTypes(node.inputs)}`;
    const reasons = refusals.length ? refusals.join('; ') : 'there is no kernel of this op';
    throw new UnsupportedError(
      `compile "${nodeLabel(node)}": no kernel serves ${calls} on ${caps.adapterName}; ${reasons}.`,
    );
  }
  return { ...best, reason: explainChoice(candidates, refusals) };
}

function consider(
  kernel: Kernel,
  tuning: TuningPoint<TuningSpace>,
  call: KernelCall,
  node: IrNode,
  caps: Caps,
): Candidate | string {
  const supported = kernel.supports(call, tuning, caps);
  if (supported !== true) return supported;
  const workgroups = kernel.dispatch(call, tuning);
  const limited = overLimit(kernel, call, node, workgroups, caps);
  if (limited) return limited;
  const cost = kernel.cost(call);
  const estimateMs = rooflineMs(cost, caps.kind) * (kernel.efficiency?.(call, tuning, caps) ?? 1);
  return { kernel, tuning, call, cost, workgroups, estimateMs };
}

/** Limits that hold for every kernel, so that no kernel has to check them. */
function overLimit(
  kernel: Kernel,
  call: KernelCall,
  node: IrNode,
  workgroups: readonly number[],
  { limits, features }: Caps,
): string | undefined {
  const most = Math.max(...workgroups);
  if (most > limits.maxComputeWorkgroupsPerDimension)
    return `${most} workgroups in one dimension; the adapter allows ${limits.maxComputeWorkgroupsPerDimension}`;
  const bindings = presentBindings(kernel, call);
  if (bindings.length > limits.maxStorageBuffersPerShaderStage)
    return `${bindings.length} storage buffers; the adapter allows ${limits.maxStorageBuffersPerShaderStage}`;
  for (const { name } of bindings) {
    const type = node.outputs[name] ?? node.inputs[name];
    if (!type) continue;
    if (type.dtype === 'f16' && !features.shaderF16) return `${name} is f16, which the adapter lacks`;
    const byteLength = storageByteLength(type.dtype, type.shape);
    if (byteLength > limits.maxStorageBufferBindingSize)
      return `${name} takes ${byteLength} bytes; one binding holds ${limits.maxStorageBufferBindingSize}`;
  }
  return undefined;
}

const describeTypes = (tensors: Named<TensorType>): string =>
  Object.entries(tensors)
    .map(([name, { dtype, shape }]) => `${name} ${dtype} ${formatShape(shape)}`)
    .join(', ');

function explainChoice(candidates: readonly Candidate[], refusals: readonly string[]): string {
  const estimates = candidates.map(
    ({ kernel, tuning, estimateMs }) =>
      `${kernelLabel(kernel, tuning)}: about ${(estimateMs * 1000).toPrecision(3)} µs`,
  );
  return [
    ...estimates.map((line, i) => `${i === 0 ? 'chosen' : 'slower'}  ${line}`),
    ...refusals.map((line) => `refused ${line}`),
  ].join('\n');
}
