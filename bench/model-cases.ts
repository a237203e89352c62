import { compile } from '../src/compile/compile.ts';
import type { FloatDType } from '../src/core/dtype.ts';
import { invariant } from '../src/core/errors.ts';
import { buildDecoderGraph, buildTileGraph } from '../src/generate/graphs.ts';
import { openModelFiles } from '../src/generate/model-files.ts';
import type { Graph } from '../src/graph/graph.ts';
import type { Model, VisionLayout } from '../src/models/model.ts';
import type { Precision } from '../src/models/parameters.ts';
import { createModel } from '../src/models/registry.ts';
import type { InputValue } from '../src/runtime/inputs.ts';
import { createSession } from '../src/runtime/session.ts';
import { createStateStore } from '../src/runtime/state-store.ts';
import { createWeightStore } from '../src/runtime/weight-store.ts';
import { openCheckpoint } from '../src/weights/checkpoint.ts';
import { readJson } from '../src/weights/checkpoint-files.ts';
import { type WeightScope, weightScope } from '../src/weights/weight-scope.ts';
import type { BenchCase } from './bench-case.ts';
import { operandValues } from './kernel-case.ts';

/** Tokens of a prompt: a picture's and a question's. */
const PREFILL = 80;
const CAPACITY = 256;

/** Parts of the built-in model, whole: what generation runs, but for reading the token back. */
export const modelCases: readonly BenchCase[] = (['f32', 'f16'] as const).flatMap((dtype) => [
  modelCase('vision tower', '3x128x128', dtype, (model, weights, precision) => {
    const { tile } = pictureLayout(model);
    return {
      graph: buildTileGraph(model, weights, precision, tile),
      inputs: { pixelValues: operandValues('pixelValues', tile.shape) },
    };
  }),
  modelCase('prefill', `S=${PREFILL}`, dtype, (model, weights, precision) => {
    const { tokens: imageRows } = pictureLayout(model);
    return {
      graph: decoderGraph(model, weights, precision, PREFILL, imageRows),
      inputs: {
        ...decoderInputs(PREFILL, 0),
        imageFeatures: operandValues('imageFeatures', [imageRows, model.text.hiddenSize]),
        imageIndex: Int32Array.from({ length: PREFILL }, (_, i) => (i < imageRows ? i : -1)),
      },
    };
  }),
  modelCase('decode step', `past=${PREFILL}`, dtype, (model, weights, precision) => ({
    graph: decoderGraph(model, weights, precision, 1, 0),
    inputs: decoderInputs(1, PREFILL),
  })),
]);

function pictureLayout({ modelType, vision }: Model): VisionLayout {
  invariant(vision, `${modelType} has no vision tower`);
  return vision.typicalLayout;
}

interface ModelPart {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, InputValue>>;
}

function modelCase(
  op: string,
  shape: string,
  dtype: FloatDType,
  build: (model: Model, weights: WeightScope, precision: Precision) => ModelPart,
): BenchCase {
  return {
    op,
    shape,
    dtype,
    async open(device) {
      const files = await openModelFiles();
      const model = createModel(await readJson(files, 'config.json'), files.name);
      const checkpoint = await openCheckpoint(files);
      const weights = createWeightStore(device, checkpoint.index);
      const states = createStateStore(device);
      const release = (): void => [weights, states].forEach((store) => void store.dispose());
      try {
        const precision: Precision = { weights: dtype, activations: 'f32', kvCache: 'f32' };
        const { graph, inputs } = build(model, weightScope(checkpoint.index, files.name), precision);
        const plan = compile(graph, device.caps);
        const session = await createSession(device, plan, { weights, states, label: op });
        const dispose = (): void => {
          session.dispose();
          release();
        };
        return { session, inputs, copies: 1, dispose };
      } catch (error) {
        release();
        throw error;
      } finally {
        await checkpoint.close();
      }
    },
  };
}

const decoderGraph = (
  model: Model,
  weights: WeightScope,
  precision: Precision,
  seq: number,
  imageRows: number,
): Graph =>
  buildDecoderGraph(model, weights, precision, {
    seq,
    capacity: CAPACITY,
    imageRows,
    spans: false,
    picker: 'greedy',
  });

/** `seq` tokens after `past`; which ones they are does not change the time. */
const decoderInputs = (seq: number, past: number) => ({
  ids: Uint32Array.from({ length: seq }, (_, i) => 8 + i),
  positions: Uint32Array.from({ length: seq }, (_, i) => past + i),
  past: Uint32Array.of(past),
  ...(seq > 1 && { lastRow: Uint32Array.of(seq - 1) }),
});
