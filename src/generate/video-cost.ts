import { compile } from '../compile/compile.ts';
import { planSummary } from '../compile/explain.ts';
import { DTYPE_BYTES } from '../core/dtype.ts';
import { InputError, invariant } from '../core/errors.ts';
import { dim } from '../core/shape.ts';
import type { Graph } from '../graph/graph.ts';
import { type Model, packedTiles, type VisionLayout } from '../models/model.ts';
import type { Precision } from '../models/parameters.ts';
import type { FramePooling, Processor, VideoClip } from '../processors/processor.ts';
import type { WeightScope } from '../weights/weight-scope.ts';
import { bucketOf, MAX_CHUNK } from './decoder-inputs.ts';
import { buildPoolingGraph } from './frame-pooler.ts';
import { buildDecoderGraph, buildPackGraph, buildTileGraph } from './graphs.ts';
import { paddedRows } from './image-encoder.ts';
import { BASELINE, scratchBytesOf } from './inspect.ts';

/** What a video of so many frames takes before the first word of an answer, known without a device. */
export interface VideoCost {
  readonly frames: number;
  /** Of each frame, for towers whose tokens depend on it. */
  readonly width: number;
  readonly height: number;
  /** Tokens that the context holds. */
  readonly contextTokens: number;
  /** Every frame by itself. */
  readonly unpooled: VideoBudget;
  /** Absent where no pooling was asked for. */
  readonly pooled?: VideoBudget;
  /** Frames that fit as they are, one token left for a question. */
  readonly fittingFrames: number;
  /** Whether the model's frames can be pooled. */
  readonly canPool: boolean;
}

export interface VideoBudget {
  readonly pooling: FramePooling | null;
  /** Runs of the vision tower: one a frame, or one for several frames in towers that join them. */
  readonly towerRuns: number;
  /** That stand for the video in the prompt. */
  readonly tokens: number;
  /** From the counts of the kernels in the compiled plans. */
  readonly flops: {
    /** Vision tower and projector. */
    readonly vision: number;
    readonly pooling: number;
    /** The decoder over the video's tokens alone, in passes as `generate` makes them. */
    readonly prefill: number;
    readonly total: number;
  };
  /** GPU bytes besides weights. */
  readonly memory: {
    /** Features while they are gathered for the decoder. */
    readonly features: number;
    readonly kvCache: number;
    /** Intermediates of one run of the tower, however many there are. */
    readonly towerScratch: number;
  };
  /** Whether the context has room for it and a question. */
  readonly fits: boolean;
}

export interface VideoCostRequest {
  readonly frames: number;
  readonly pooling?: FramePooling | undefined;
  /** Tokens that the context may hold; the model's own where it holds fewer. */
  readonly contextTokens?: number | undefined;
}

/** Of a model, its checkpoint and its processor. */
export interface VideoModel {
  readonly model: Model;
  readonly weights: WeightScope;
  readonly precision: Precision;
  readonly processor: Processor;
}

/** A usual size, for towers that take frames of any. */
const FRAME = { width: 640, height: 360 } as const;

/**
 * Throws InputError for a model without a place for videos, and for pooling in one with a way of its own; what does not
 * fit the context is reported, not thrown.
 */
export function videoCost(parts: VideoModel, request: VideoCostRequest): VideoCost {
  const { frames, pooling } = request;
  const { maxPositionEmbeddings } = parts.model.text;
  const contextTokens = Math.min(request.contextTokens ?? maxPositionEmbeddings, maxPositionEmbeddings);
  const unpooled = budgetOf(parts, frames, undefined, contextTokens);
  const tokensPerFrame = unpooled.tokens / frames;
  return {
    frames,
    ...FRAME,
    contextTokens,
    unpooled,
    ...(pooling ? { pooled: budgetOf(parts, frames, pooling, contextTokens) } : {}),
    fittingFrames: Math.floor((contextTokens - 1) / tokensPerFrame),
    canPool: parts.processor.videosAsPictures ?? false,
  };
}

function budgetOf(
  parts: VideoModel,
  frames: number,
  pooling: FramePooling | undefined,
  contextTokens: number,
): VideoBudget {
  const { model, precision } = parts;
  const layout = layoutOf(parts, frames, pooling);
  const vision = visionWork(parts, layout);
  const prefill = prefillFlops(parts, layout.tokens);
  const { numHiddenLayers, numKeyValueHeads, headDim } = model.text;
  const kvCachePerToken = 2 * numHiddenLayers * numKeyValueHeads * headDim * DTYPE_BYTES[precision.kvCache];
  return {
    pooling: pooling ?? null,
    towerRuns: layout.tiles,
    tokens: layout.tokens,
    flops: {
      vision: vision.towerFlops,
      pooling: vision.poolingFlops,
      prefill,
      total: vision.towerFlops + vision.poolingFlops + prefill,
    },
    memory: {
      features: vision.featureBytes,
      kvCache: layout.tokens * kvCachePerToken,
      towerScratch: vision.scratchBytes,
    },
    fits: layout.tokens < contextTokens,
  };
}

/** The layout that the family's own processor gives such a video. */
function layoutOf(
  { processor, model }: VideoModel,
  frames: number,
  pooling: FramePooling | undefined,
): VisionLayout {
  const video: VideoClip = {
    ...FRAME,
    frameCount: frames,
    fps: null,
    durationSeconds: null,
    async *frames() {},
  };
  if (pooling && !processor.videosAsPictures) {
    throw new InputError(
      `inspect: frames are to be pooled by ${pooling.kind}, but ${model.modelType} takes videos in a way of its own; expected no pooling. Ask for fewer frames.`,
    );
  }
  const medium = { kind: 'video', key: null, video, sampling: { numFrames: frames }, pooling } as const;
  const [processed] = processor.process([medium]);
  invariant(processed, 'a processor gives what it was given');
  return processed.layout;
}

/** Tower, projector and pooling, as the image encoder runs them. */
function visionWork({ model, weights, precision }: VideoModel, layout: VisionLayout) {
  const flopsOf = (graph: Graph): number => planSummary(compile(graph, BASELINE)).flops;
  const tileGraph = buildTileGraph(model, weights, precision, layout.tile);
  const tilePlan = compile(tileGraph, BASELINE);
  const tileShape = tileGraph.outputs.get('tileFeatures')?.shape ?? [];
  const [rows, width] = [dim(tileShape, 0), dim(tileShape, 1)];
  const { pooling } = layout;
  const isStreamed = pooling !== undefined && pooling.kind !== 'stride';
  const poolFlops = isStreamed ? flopsOf(buildPoolingGraph(pooling.kind, rows, width)) : 0;
  const pack = buildPackGraph(model, weights, precision, layout, tileShape);
  const bytes = DTYPE_BYTES[precision.activations];
  const featureWidth = model.vision?.featureWidth ?? width;
  const gathered = paddedRows(layout.tokens) * featureWidth * bytes;
  const packed = pack ? layout.tokens * featureWidth * bytes : 0;
  return {
    towerFlops: planSummary(tilePlan).flops * layout.tiles + (pack ? flopsOf(pack) : 0),
    poolingFlops: poolFlops * layout.tiles,
    featureBytes: packedTiles(layout) * rows * width * bytes + packed + gathered,
    scratchBytes: scratchBytesOf(tilePlan),
  };
}

/** Cache lengths at which passes are compiled: their counts are linear in it. */
const [SHORT, LONG] = [1024, 2048];

/** The decoder over `tokens` tokens in chunks, each of which sees those before it. */
function prefillFlops({ model, weights, precision }: VideoModel, tokens: number): number {
  const flopsOf = (seq: number, capacity: number): number => {
    const shape = { seq, capacity, imageRows: 0, spans: false, picker: 'greedy' } as const;
    return planSummary(compile(buildDecoderGraph(model, weights, precision, shape), BASELINE)).flops;
  };
  const linear = new Map<number, { readonly base: number; readonly perKey: number }>();
  let total = 0;
  for (let begin = 0; begin < tokens; begin += MAX_CHUNK) {
    const end = Math.min(begin + MAX_CHUNK, tokens);
    const seq = bucketOf(end - begin);
    let line = linear.get(seq);
    if (!line) {
      const [short, long] = [flopsOf(seq, SHORT), flopsOf(seq, LONG)];
      const perKey = (long - short) / (LONG - SHORT);
      line = { base: short - perKey * SHORT, perKey };
      linear.set(seq, line);
    }
    total += line.base + line.perKey * end;
  }
  return Math.round(total);
}
