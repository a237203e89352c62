import { compile } from '../../compile/compile.ts';
import { planSummary } from '../../compile/explain.ts';
import type { Caps } from '../../core/caps.ts';
import { elementCount } from '../../core/shape.ts';
import { BASELINE } from '../../generate/inspect.ts';
import { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { PART_PREFIXES } from '../../models/compose/compose-vlm.ts';
import { bindParameters, type Parameters } from '../../models/parameters.ts';
import { weightScope } from '../../weights/weight-scope.ts';
import { trainingMemory } from '../training-memory.ts';
import { answerLogits, answerVectors, clipLoss } from './losses.ts';
import { initialWeights, weightShapes } from './new-weights.ts';
import { OPTIMIZER } from './optimizer.ts';
import type { Task } from './task.ts';
import type { Vlm } from './vlm.ts';

/** What an architecture takes, known without running it. */
export interface ArchitectureCost {
  readonly parameters: {
    readonly encoder: number;
    readonly projector: number;
    readonly decoder: number;
    readonly total: number;
    readonly trained: number;
  };
  readonly tokens: {
    readonly perFrame: number;
    /** Of a clip, once its frames are pooled: what the decoder reads. */
    readonly perClip: number;
  };
  /** Of one clip, forward, from the counts of the kernels in the compiled plans. */
  readonly flops: {
    /** Encoder and projector on all frames. */
    readonly vision: number;
    readonly pooling: number;
    /** Over image tokens and answer. */
    readonly decoder: number;
    readonly total: number;
  };
  /** GPU bytes. */
  readonly memory: {
    /** All weights in f32. */
    readonly weights: number;
    /** Intermediates of one clip. */
    readonly forward: number;
    /** Of a training step: trained weights with what the optimizer keeps, and activations of a batch. */
    readonly trainingStates: number;
    readonly trainingActivations: number;
  };
}

/** The gradient of attention over a cache binds nine buffers, which all adapters met so far allow. */
const TRAINING_CAPS: Caps = {
  ...BASELINE,
  limits: { ...BASELINE.limits, maxStorageBuffersPerShaderStage: 10 },
};

export interface CostRequest {
  readonly batchSize: number;
  /** Names of trained weights; default all. */
  readonly trainable?: RegExp | undefined;
}

/** Parameters, tokens, FLOPs and memory of an architecture, for the limits that every WebGPU adapter has. */
export function costOf(vlm: Vlm, task: Task, { batchSize, trainable }: CostRequest): ArchitectureCost {
  const loss = clipLoss(vlm, task, batchSize);
  const shapes = [...weightShapes(loss)];
  const count = (isCounted: (name: string) => boolean): number =>
    shapes.reduce((sum, [name, shape]) => sum + (isCounted(name) ? elementCount(shape) : 0), 0);
  const below = (prefix: string) => count((name) => name.startsWith(`${prefix}.`));
  const total = count(() => true);

  const { hiddenSize: C } = vlm.decoder.text;
  const pixels = [vlm.frames, ...vlm.imageShape];
  const tokens = [vlm.frames, vlm.tokensPerFrame, C];
  const vision = forward((graph, w) => vlm.encode(graph.input('pixelValues', pixels, 'f32'), w));
  const pooling = forward((graph) => vlm.pool(graph.input('tokens', tokens, 'f32')));
  const decoder = forward((graph, w) =>
    vlm.loss === 'next-token'
      ? answerLogits(vlm, task, graph.input('image', [1, vlm.tokensPerClip, C], 'f32'), w)
      : answerVectors(vlm, task, graph, w, 1),
  );
  const parts = [vision, pooling, decoder];
  const training = trainingMemory(
    loss,
    initialWeights(loss, new Map(), vlm.loss, 0),
    { ...OPTIMIZER, trainable },
    TRAINING_CAPS,
  );
  return {
    parameters: {
      encoder: below(PART_PREFIXES.encoder),
      projector: below(PART_PREFIXES.projector),
      decoder: below(PART_PREFIXES.decoder),
      total,
      trained: trainable ? count((name) => trainable.test(name)) : total,
    },
    tokens: { perFrame: vlm.tokensPerFrame, perClip: vlm.tokensPerClip },
    flops: {
      vision: vision.flops,
      pooling: pooling.flops,
      decoder: decoder.flops,
      total: parts.reduce((sum, { flops }) => sum + flops, 0),
    },
    memory: {
      weights: 4 * total,
      forward: Math.max(...parts.map(({ scratch }) => scratch)),
      trainingStates: training.states,
      trainingActivations: training.activations,
    },
  };
}

/** FLOPs of a part of the forward pass, and what it takes besides weights. */
function forward(build: (graph: Graph, w: Parameters) => Tensor): { flops: number; scratch: number } {
  const { missing: _missing, ...root } = weightScope(new Map(), 'cost');
  const graph = new Graph();
  const w = bindParameters(graph, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' });
  graph.output('result', build(graph, w));
  const { flops, memory } = planSummary(compile(graph, BASELINE));
  return { flops, scratch: memory.arena + memory.input };
}
