import type { Plan } from '../compile/plan.ts';
import { InputError, invariant } from '../core/errors.ts';
import type { Device } from '../device/gpu-device.ts';
import { createSessionCache } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import type { Precision } from '../models/parameters.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createStateStore } from '../runtime/state-store.ts';
import type { WeightStore } from '../runtime/weight-store.ts';
import type { WeightScope } from '../weights/weight-scope.ts';
import { batchFor, largestBatch, textLengthFor } from './batches.ts';
import { buildImageGraph, buildTextGraph } from './graphs.ts';

/** A dual encoder bound to a device and its weights. */
export interface DualEncoderRuntime {
  readonly device: Device;
  readonly model: DualEncoder;
  readonly weightScope: WeightScope;
  readonly weights: WeightStore;
  readonly precision: Precision;
}

/** One tower: rows to embeddings, up to `maxBatch` of them at once. */
export interface TowerRunner<Row> {
  readonly maxBatch: number;
  /** The plan of a single row, which needs all of the tower's weights. */
  plan(): Plan;
  /** Compiles for a single row and loads the weights, so that the first call does not wait for them. */
  prepare(): Promise<void>;
  /** Unit vectors, one per row. Calls run one after another. Throws InputError once disposed of. */
  run(rows: readonly Row[]): Promise<Float32Array[]>;
  dispose(): void;
}

/** Rows are the pixel values [3, H, W] of each picture. */
export function createImageRunner(runtime: DualEncoderRuntime): TowerRunner<Float32Array> {
  const { device, model, weightScope, precision } = runtime;
  const { vision } = model;
  const rowLength = vision.imageShape.reduce((product, size) => product * size, 1);
  return createRunner<Float32Array>(runtime, {
    label: 'image',
    maxBatch: largestBatch(vision, vision.tokensPerImage, device.caps.limits.maxStorageBufferBindingSize),
    tokensOf: () => vision.tokensPerImage,
    graph: ({ batch }) => buildImageGraph(model, weightScope, precision, batch),
    inputs(rows, { batch }) {
      const pixelValues = new Float32Array(batch * rowLength);
      rows.forEach((row, i) => {
        pixelValues.set(row, i * rowLength);
      });
      return { pixelValues };
    },
  });
}

/** Rows are the ids of each text, as `TextProcessor.encode` gives them. */
export function createTextRunner(runtime: DualEncoderRuntime): TowerRunner<readonly number[]> {
  const { device, model, weightScope, precision } = runtime;
  const { text } = model;
  const longest = text.maxPositionEmbeddings;
  return createRunner<readonly number[]>(runtime, {
    label: 'text',
    maxBatch: largestBatch(text, longest, device.caps.limits.maxStorageBufferBindingSize),
    tokensOf: (rows) =>
      rows.length === 0 ? longest : textLengthFor(Math.max(...rows.map((ids) => ids.length)), longest),
    graph: ({ batch, tokens }) => buildTextGraph(model, weightScope, precision, { batch, seq: tokens }),
    inputs(rows, { batch, tokens }) {
      const ids = new Uint32Array(batch * tokens);
      const pooledRows = Uint32Array.from({ length: batch }, (_, i) => i * tokens);
      // Where padding matters the ids are of full length; where it does not, zeros behind them will do.
      rows.forEach((row, i) => {
        ids.set(row, i * tokens);
        pooledRows[i] = i * tokens + model.pooledPosition(row);
      });
      return { ids, pooledRows };
    },
  });
}

/** What a graph is built for: rows, and tokens of each. */
interface RunShape {
  readonly batch: number;
  readonly tokens: number;
}

interface Tower<Row> {
  readonly label: string;
  readonly maxBatch: number;
  /** Tokens per row of a batch; of no rows, the most there are. */
  tokensOf(rows: readonly Row[]): number;
  graph(shape: RunShape): Graph;
  inputs(rows: readonly Row[], shape: RunShape): Readonly<Record<string, InputValue>>;
}

/** Sessions kept per tower: that of full batches, and that of what is left over. */
const MAX_SESSIONS = 2;

function createRunner<Row>(runtime: DualEncoderRuntime, tower: Tower<Row>): TowerRunner<Row> {
  const { device, model } = runtime;
  const states = createStateStore(device);
  const sessions = createSessionCache(runtime, states, MAX_SESSIONS);
  const pass = (shape: RunShape): [key: string, build: () => Graph] => [
    `${tower.label} ${shape.batch} x ${shape.tokens}`,
    () => tower.graph(shape),
  ];
  const single: RunShape = { batch: 1, tokens: tower.tokensOf([]) };
  let disposed = false;
  // One at a time: a session must not be put out of the cache while it runs.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(job: () => Promise<T>): Promise<T> => {
    const run = last.then(() => {
      if (disposed)
        throw new InputError(`${model.modelType}: the model is disposed; expected one that is loaded.`);
      return job();
    });
    last = run.catch(() => undefined);
    return run;
  };

  return {
    maxBatch: tower.maxBatch,
    plan: () => sessions.planAhead(...pass(single)),
    prepare: () => inTurn(async () => void (await sessions.get(...pass(single)))),
    run: (rows) =>
      inTurn(async () => {
        invariant(rows.length > 0 && rows.length <= tower.maxBatch, `${rows.length} rows in one batch`);
        const shape = { batch: batchFor(rows.length), tokens: tower.tokensOf(rows) };
        const session = await sessions.get(...pass(shape));
        const { embeddings } = await session.runAndRead(tower.inputs(rows, shape), ['embeddings']);
        invariant(embeddings instanceof Float32Array, 'embeddings are no floats');
        const { embeddingSize: E } = model;
        return rows.map((_, i) => embeddings.slice(i * E, (i + 1) * E));
      }),
    dispose() {
      disposed = true;
      sessions.clear();
      states.dispose();
    },
  };
}
