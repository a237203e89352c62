import { compile } from '../compile/compile.ts';
import type { WeightDType } from '../core/dtype.ts';
import {
  BASELINE,
  scratchBytesOf,
  type TensorTotals,
  totalTensors,
  weightBytesOf,
} from '../generate/inspect.ts';
import { choosePrecision } from '../generate/precision.ts';
import type { DualEncoder, ImageTowerInfo, TextTowerInfo } from '../models/dual-encoder.ts';
import type { Precision } from '../models/parameters.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import type { WeightRoot } from '../weights/weight-scope.ts';
import { largestBatch } from './batches.ts';
import { buildImageGraph, buildTextGraph } from './graphs.ts';
import { logitParameterReader } from './logit-parameters.ts';

/** What a dual encoder's checkpoint is and what running it will take, known without a device. */
export interface DualEncoderReport extends TensorTotals {
  readonly name: string;
  readonly modelType: string;
  readonly embeddingSize: number;
  readonly vision: ImageTowerInfo;
  readonly text: TextTowerInfo;
  readonly precision: Precision;
  readonly unusedTensors: readonly string[];
  /** GPU bytes; scratch is that of `batch` pictures or texts, whichever is more. */
  readonly memory: {
    readonly weights: number;
    readonly scratch: number;
    readonly batch: number;
    readonly total: number;
  };
}

/** Throws WeightError for missing tensors, as loading would. */
export function inspectDualEncoder(
  name: string,
  model: DualEncoder,
  index: TensorIndex,
  weights: WeightRoot,
  dtype: WeightDType,
): DualEncoderReport {
  const precision = choosePrecision(dtype, BASELINE, index);
  const { vision, text } = model;
  const bindingLimit = BASELINE.limits.maxStorageBufferBindingSize;
  const batch = largestBatch(vision, vision.tokensPerImage, bindingLimit);
  const seq = text.maxPositionEmbeddings;
  const textShape = { batch: largestBatch(text, seq, bindingLimit), seq };
  const plans = [
    buildImageGraph(model, weights, precision, batch),
    buildTextGraph(model, weights, precision, textShape),
  ].map((graph) => compile(graph, BASELINE));
  logitParameterReader(model, weights);
  const weightBytes = weightBytesOf(plans);
  const scratch = Math.max(...plans.map(scratchBytesOf));
  return {
    ...totalTensors(index),
    name,
    modelType: model.modelType,
    embeddingSize: model.embeddingSize,
    vision,
    text,
    precision,
    unusedTensors: weights.finish(),
    memory: { weights: weightBytes, scratch, batch, total: weightBytes + scratch },
  };
}
