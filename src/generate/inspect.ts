import { compile } from '../compile/compile.ts';
import { planSummary } from '../compile/explain.ts';
import type { Plan } from '../compile/plan.ts';
import type { Caps } from '../core/caps.ts';
import { DTYPE_BYTES, type WeightDType } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { elementCount, type Shape } from '../core/shape.ts';
import type { Graph } from '../graph/graph.ts';
import type { Model, TextInfo, VisionInfo } from '../models/model.ts';
import type { Precision } from '../models/parameters.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import type { WeightRoot } from '../weights/weight-scope.ts';
import { buildDecoderGraph, wholeModelGraphs } from './graphs.ts';
import { choosePrecision } from './precision.ts';

/** What a checkpoint is and what running it will take, known without a device. */
export interface CheckpointReport extends TensorTotals {
  readonly name: string;
  readonly modelType: string;
  readonly text: TextInfo;
  readonly vision: VisionReport | null;
  readonly precision: Precision;
  readonly unusedTensors: readonly string[];
  readonly memory: MemoryEstimate;
  readonly flops: FlopsEstimate;
}

/** From the counts of the kernels in the compiled plans. */
export interface FlopsEstimate {
  /** Vision tower and projector on one usual picture; 0 for a language model. */
  readonly picture: number;
  /** The decoder over so many tokens of a prompt, where the context is filled up to its end. */
  readonly prompt: number;
  readonly promptTokens: number;
  /** One token of an answer. */
  readonly token: number;
}

/** A usual picture. */
export interface VisionReport {
  readonly imageTokenId: number;
  /** Image features, and so tokens, of one picture. */
  readonly tokensPerImage: number;
  /** Pixel values of one tile: [channels, height, width], or [patches, values]. */
  readonly imageShape: Shape;
  /** Tiles of one picture, encoded one after another. */
  readonly tilesPerImage: number;
}

/** What the tensors of a checkpoint say, whatever model they are of. */
export interface TensorTotals {
  readonly tensors: readonly TensorSummary[];
  readonly parameters: number;
  /** Parameters by the first part of their names, e.g. `vision_tower`, or `model.vision_tower`. */
  readonly parametersByPart: Readonly<Record<string, number>>;
  readonly parametersByDType: Readonly<Record<string, number>>;
  readonly fileBytes: number;
}

export interface TensorSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
  readonly byteLength: number;
}

/** GPU bytes. */
export interface MemoryEstimate {
  readonly weights: number;
  readonly kvCachePerToken: number;
  /** For `contextTokens` tokens. */
  readonly kvCache: number;
  readonly contextTokens: number;
  /** Scratch of the largest plan: vision tower, prompt chunk or decode step. */
  readonly scratch: number;
  readonly total: number;
}

export interface InspectOptions {
  /** Storage of weight matrices. */
  readonly dtype: WeightDType;
  /** Tokens to plan the KV cache for. */
  readonly contextTokens: number;
}

/** The limits every WebGPU adapter has, with no optional feature: the estimate holds anywhere. */
export const BASELINE: Caps = {
  adapterName: 'baseline WebGPU',
  kind: 'unknown',
  features: { shaderF16: true, subgroups: false, timestampQuery: false },
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  limits: {
    maxBufferSize: 256 * 2 ** 20,
    maxStorageBufferBindingSize: 128 * 2 ** 20,
    maxStorageBuffersPerShaderStage: 8,
    maxComputeWorkgroupStorageSize: 16384,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256,
    maxComputeWorkgroupSizeY: 256,
    maxComputeWorkgroupsPerDimension: 65535,
    minStorageBufferOffsetAlignment: 256,
    minUniformBufferOffsetAlignment: 256,
  },
};

/** Tokens of a prompt chunk the scratch is estimated for. */
const PROMPT_CHUNK = 128;

/** Throws WeightError for missing tensors, as loading would. */
export function inspectModel(
  name: string,
  model: Model,
  index: TensorIndex,
  weights: WeightRoot,
  { dtype, contextTokens }: InspectOptions,
): CheckpointReport {
  const precision = choosePrecision(dtype, BASELINE, index);
  const promptTokens = Math.min(PROMPT_CHUNK, contextTokens);
  const promptChunk = buildDecoderGraph(model, weights, precision, {
    seq: promptTokens,
    capacity: contextTokens,
    imageRows: 0,
    spans: false,
    picker: 'greedy',
  });
  const [step, ...vision] = wholeModelGraphs(model, weights, precision, contextTokens).map(baselinePlan);
  const prompt = baselinePlan(promptChunk);
  invariant(step, 'a whole model has a decoder');
  const plans = [step, ...vision, prompt];
  const { text } = model;
  const kvCachePerToken =
    2 * text.numHiddenLayers * text.numKeyValueHeads * text.headDim * DTYPE_BYTES[precision.kvCache];
  const kvCache = kvCachePerToken * contextTokens;
  const weightBytes = weightBytesOf(plans);
  const scratch = Math.max(...plans.map(scratchBytesOf));
  return {
    ...totalTensors(index),
    name,
    modelType: model.modelType,
    text,
    vision: model.vision ? visionReport(model.vision) : null,
    precision,
    unusedTensors: weights.finish(),
    memory: {
      weights: weightBytes,
      kvCachePerToken,
      kvCache,
      contextTokens,
      scratch,
      total: weightBytes + kvCache + scratch,
    },
    flops: {
      picture: pictureFlops(model, vision),
      prompt: planSummary(prompt).flops,
      promptTokens,
      token: planSummary(step).flops,
    },
  };
}

const baselinePlan = (graph: Graph): Plan => compile(graph, BASELINE);

/** The tower runs once a tile, what packs the tiles once. */
function pictureFlops({ vision }: Model, [tile, pack]: readonly Plan[]): number {
  const ofTiles = tile && vision ? vision.typicalLayout.tiles * planSummary(tile).flops : 0;
  return ofTiles + (pack ? planSummary(pack).flops : 0);
}

const visionReport = ({ imageTokenId, typicalLayout }: VisionInfo): VisionReport => ({
  imageTokenId,
  tokensPerImage: typicalLayout.tokens,
  imageShape: typicalLayout.tile.shape,
  tilesPerImage: typicalLayout.tiles,
});

/** GPU bytes of weights and constants. Plans share them by label, so each counts once. */
export function weightBytesOf(plans: readonly Plan[]): number {
  const bytes = new Map<string, number>();
  for (const buffer of plans.flatMap((plan) => plan.buffers)) {
    if (buffer.kind === 'weight' || buffer.kind === 'constant') bytes.set(buffer.label, buffer.byteLength);
  }
  return [...bytes.values()].reduce((sum, value) => sum + value, 0);
}

/** GPU bytes of a plan's intermediates and inputs. */
export const scratchBytesOf = (plan: Plan): number =>
  plan.buffers.reduce(
    (sum, { kind, byteLength }) => (kind === 'arena' || kind === 'input' ? sum + byteLength : sum),
    0,
  );

/** Counts the tensors of a checkpoint. */
export function totalTensors(index: TensorIndex): TensorTotals {
  const tensors = [...index.values()].map(({ name, dtype, shape, byteLength }) => ({
    name,
    dtype,
    shape,
    byteLength,
  }));
  return {
    tensors,
    parameters: tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    parametersByPart: countBy(tensors, ({ name }) => partOf(name)),
    parametersByDType: countBy(tensors, ({ dtype }) => dtype),
    fileBytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

/** In many checkpoints all lies below `model`, which tells nothing. */
const partOf = (name: string): string => /^(model\.)?[^.]+/.exec(name)?.[0] ?? name;

function countBy(
  tensors: readonly TensorSummary[],
  key: (tensor: TensorSummary) => string,
): Record<string, number> {
  const counts = new Map<string, number>();
  for (const tensor of tensors) {
    counts.set(key(tensor), (counts.get(key(tensor)) ?? 0) + elementCount(tensor.shape));
  }
  return Object.fromEntries(counts);
}
