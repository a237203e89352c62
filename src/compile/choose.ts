import type { Caps, TunedKernel } from '../core/caps.ts';
import { digestText } from '../core/digest.ts';
import { storageByteLength } from '../core/dtype.ts';
import { UnsupportedError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import {
  type Cost,
  type Kernel,
  type KernelCall,
  kernelLabel,
  kernelText,
  prepareCall,
  presentBindings,
  type TuningPoint,
  type TuningSpace,
  tuningPoints,
} from '../kernels/kernel.ts';
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
export function createChooser(caps: Caps, kernels: readonly Kernel[]): (node: IrNode) => Choice {
  const choices = new Map<string, Choice>();
  return (node) => {
    const key = callSignature(node);
    const known = choices.get(key);
    if (known) return known;
    const choice = choose(node, key, caps, kernels);
    choices.set(key, choice);
    return choice;
  };
}

/** What a choice depends on beside the adapter. */
export function callSignature({ op, inputs, outputs, attrs }: IrNode): string {
  return `${op.name} ${typesKey(inputs)} -> ${typesKey(outputs)} ${JSON.stringify(attrs)}`;
}

const typesKey = (tensors: Named<TensorType>): string =>
  Object.entries(tensors)
    .map(([name, { dtype, shape }]) => `${name}:${dtype}[${shape.join()}]`)
    .join(' ');

/** Least time of a node on the adapter by the cost model; undefined where none of `kernels` can run it. */
export const estimateMs = (node: IrNode, caps: Caps, kernels: readonly Kernel[]): number | undefined =>
  findCandidates(node, caps, kernels).candidates[0]?.estimateMs;

function choose(node: IrNode, signature: string, caps: Caps, kernels: readonly Kernel[]): Choice {
  const { candidates, refusals } = findCandidates(node, caps, kernels);
  const [fastest] = candidates;
  if (!fastest) {
    const calls = `inputs ${describeTypes(node.inputs)}`;
    const reasons = refusals.length ? refusals.join('; ') : 'there is no kernel of this op among those given';
    throw new UnsupportedError(
      `compile "${nodeLabel(node)}": no kernel serves ${calls} on ${caps.adapterName}; ${reasons}.`,
    );
  }
  const measured = tunedCandidate(candidates, caps.tuned?.get(signature));
  const best = measured?.candidate ?? fastest;
  const lines = [
    ...(measured ? [`chosen  ${candidateLabel(best)}: measured, ${microseconds(measured.ms)}`] : []),
    ...candidates
      .filter((candidate) => !measured || candidate !== best)
      .map((candidate) => {
        const verdict = candidate === best ? 'chosen' : 'slower';
        return `${verdict}  ${candidateLabel(candidate)}: about ${microseconds(candidate.estimateMs)}`;
      }),
    ...refusals.map((line) => `refused ${line}`),
  ];
  return { ...best, reason: lines.join('\n') };
}

/** All that can serve a node, the fastest by estimate first, and why the others cannot. */
export interface Candidates {
  readonly candidates: readonly Candidate[];
  readonly refusals: readonly string[];
}

export function findCandidates(node: IrNode, caps: Caps, kernels: readonly Kernel[]): Candidates {
  const candidates: Candidate[] = [];
  const refusals: string[] = [];
  for (const kernel of kernels.filter(({ op }) => op.name === node.op.name)) {
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
  return { candidates, refusals };
}

/** Changes with every text, size or number of workgroups among `candidates`, in whatever order they stand. */
export function candidatesDigest(candidates: readonly Candidate[]): string {
  const texts = candidates.map(({ kernel, tuning, call, workgroups }) =>
    [
      kernelLabel(kernel, tuning),
      workgroups.join(),
      JSON.stringify(call.params),
      kernelText(kernel, call, tuning),
    ].join('\n'),
  );
  return digestText(texts.sort().join('\n'));
}

export const candidateLabel = ({ kernel, tuning }: Candidate): string => kernelLabel(kernel, tuning);

/** The candidate that was measured to be the fastest, unless kernels have changed since. */
function tunedCandidate(
  candidates: readonly Candidate[],
  tuned: TunedKernel | undefined,
): { readonly candidate: Candidate; readonly ms: number } | undefined {
  if (!tuned) return undefined;
  const candidate = candidates.find((one) => candidateLabel(one) === tuned.label);
  if (!candidate || candidatesDigest(candidates) !== tuned.digest) return undefined;
  return { candidate, ms: tuned.ms };
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

const microseconds = (ms: number): string => `${(ms * 1000).toPrecision(3)} µs`;
