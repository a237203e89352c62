import { compileTraining } from '../compile/compile.ts';
import { invariant } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import type { Device } from '../device/gpu-device.ts';
import { Graph } from '../graph/graph.ts';
import type { Parameters } from '../models/parameters.ts';
import { CONTROL, PROGRESS, PROGRESS_SIZE } from '../ops/optimizer.ts';
import type { HostArray } from '../runtime/host-array.ts';
import { createSession, type Session } from '../runtime/session.ts';
import { createStateStore, type StateStore } from '../runtime/state-store.ts';
import { createWeightStore } from '../runtime/weight-store.ts';
import { randomTensors, type TensorInit } from '../weights/random-tensors.ts';
import { readTensor } from '../weights/read-tensor.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { type Adapter, bindTrainable, parameterState, type Trainable } from './trainable-parameters.ts';
import {
  type BuildLoss,
  buildTrainingGraphs,
  KEEP_INPUT,
  LEARNING_RATE_INPUT,
  PROGRESS_STATE,
  type TrainingGraphOptions,
} from './training-graph.ts';

/** How a model is trained, and what is told while its plans are made. */
export interface TrainerOptions extends TrainingGraphOptions {
  /** Of new adapters; default 0. */
  readonly seed?: number | undefined;
  /** After every pipeline: how many of a plan's are ready. */
  readonly onProgress?: ((pipelinesDone: number, pipelinesTotal: number) => void) | undefined;
}

/** Values of a batch by the names of the graph's inputs. */
export type Batch = Readonly<Record<string, HostArray>>;

/** What came of a step. */
export interface StepReport {
  /** Mean of its batches. */
  readonly loss: number;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly lossScale: number;
  /** Steps taken so far, and skipped ones, whose gradients were not finite. */
  readonly steps: number;
  readonly skipped: number;
}

/** A model in training on a device. Its parameters and what the optimizer keeps of them are states there. */
export interface Trainer {
  readonly trainables: ReadonlyMap<string, Trainable>;
  readonly adapters: ReadonlyMap<string, Adapter>;
  /**
   * Submits one step, of as many batches as a step has, and returns at once; further steps may be submitted before the
   * promise gives what came of this one.
   */
  step(batches: readonly Batch[], learningRate: number): Promise<StepReport>;
  /** A pass of another graph over the weights as they are when it runs: evaluation. Disposed of with the trainer. */
  openPass(build: (graph: Graph, w: Parameters) => void): Promise<Session>;
  /** Names of all states, the parameters' and the optimizer's. */
  readonly stateNames: readonly string[];
  /** Values of states as they are after the steps submitted so far. */
  readStates(names: readonly string[]): Promise<ReadonlyMap<string, Float32Array>>;
  /** Sets a state. Throws InputError for an unknown name or a wrong length. */
  writeState(name: string, values: Float32Array): void;
  /** Frees sessions, states and weights; the device stays. */
  dispose(): void;
}

const INITIAL_SCALE = 65536;

/**
 * Compiles the training step of a model and loads its weights from `index`: trained ones into states, frozen ones as they
 * are. Throws WeightError naming missing tensors, InputError where nothing is trained, DeviceError.
 */
export async function createTrainer(
  device: Device,
  build: BuildLoss,
  index: TensorIndex,
  options: TrainerOptions,
): Promise<Trainer> {
  const root = weightScope(index, 'training');
  const graphs = buildTrainingGraphs(build, root, options);
  root.finish();
  const states = createStateStore(device);
  const weights = createWeightStore(device, index);
  const sessions: Session[] = [];
  const dispose = (): void => {
    for (const part of [...sessions, states, weights]) part.dispose();
  };
  const open = async (graph: Graph, label: string): Promise<Session> => {
    const plan = compileTraining(graph, device.caps);
    const session = await createSession(device, plan, {
      weights,
      states,
      label,
      onProgress: options.onProgress,
    });
    sessions.push(session);
    return session;
  };
  try {
    const batch = await open(graphs.batch, 'training');
    const update = graphs.update && (await open(graphs.update, 'training update'));
    await writeInitial(states, graphs.trainables, graphs.adapters, index, options);
    const stateNames = statesOf([graphs.batch, ...(graphs.update ? [graphs.update] : [])]);
    return {
      trainables: graphs.trainables,
      adapters: graphs.adapters,
      stateNames,
      async openPass(build) {
        const graph = new Graph();
        build(graph, bindTrainable(graph, weightScope(index, 'evaluation'), options).parameters);
        return open(graph, 'evaluation');
      },
      step: createStep(batch, update, options.batchesPerStep ?? 1),
      async readStates(names) {
        // All copies are submitted before the first is awaited, so they are of one moment.
        const read = names.map(async (name) => [name, await states.read(name)] as const);
        return new Map(await Promise.all(read));
      },
      writeState: states.write,
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

function createStep(batch: Session, update: Session | undefined, batchesPerStep: number): Trainer['step'] {
  return async (batches, learningRate) => {
    invariant(
      batches.length === batchesPerStep,
      `a step of ${batchesPerStep} batches was given ${batches.length}`,
    );
    const rate = { [LEARNING_RATE_INPUT]: Float32Array.of(learningRate) };
    const submitted = batches.map((inputs, i) =>
      update
        ? batch.runAndRead({ ...inputs, [KEEP_INPUT]: Float32Array.of(i === 0 ? 0 : 1) }, ['loss'])
        : batch.runAndRead({ ...inputs, ...rate }, ['loss', 'control']),
    );
    const updated = update?.runAndRead(rate, ['control']);
    const results = await Promise.all(submitted);
    const control = updated ? (await updated).control : results[0]?.control;
    const losses = results.map(({ loss }) => loss?.[0] ?? Number.NaN);
    return {
      loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
      gradientNorm: control?.[CONTROL.norm] ?? Number.NaN,
      learningRate,
      lossScale: control?.[CONTROL.lossScale] ?? Number.NaN,
      steps: control?.[CONTROL.steps] ?? Number.NaN,
      skipped: control?.[CONTROL.skipped] ?? Number.NaN,
    };
  };
}

/** Parameters as the checkpoint has them, adapters that change nothing yet, and the progress of a training to begin. */
async function writeInitial(
  states: StateStore,
  trainables: ReadonlyMap<string, Trainable>,
  adapters: ReadonlyMap<string, Adapter>,
  index: TensorIndex,
  { lossScaling, seed = 0 }: TrainerOptions,
): Promise<void> {
  const made = newAdapters(trainables, adapters, seed);
  for (const name of trainables.keys()) {
    const entry = index.get(name) ?? made.get(name);
    invariant(entry, `trained tensor "${name}" has no values to begin with`);
    // Copied: the values may be a view of a file, or not fill whole words.
    states.write(parameterState(name), Float32Array.from(await readTensor(entry, 'f32')));
  }
  const progress = new Float32Array(PROGRESS_SIZE);
  progress[PROGRESS.lossScale] = lossScaling ? (lossScaling.initial ?? INITIAL_SCALE) : 1;
  states.write(PROGRESS_STATE, progress);
}

/** A normal with a variance of 1 / K, B zero (Hu et al. 2021, section 4.1), so that their product is zero at first. */
function newAdapters(
  trainables: ReadonlyMap<string, Trainable>,
  adapters: ReadonlyMap<string, Adapter>,
  seed: number,
): TensorIndex {
  const zero = new Set([...adapters.values()].map(({ b }) => b));
  const shapes = [...adapters.values()].flatMap(({ a, b }): [string, Shape][] =>
    [a, b].map((name) => [name, trainables.get(name)?.shape ?? []]),
  );
  const init = (name: string, shape: Shape): TensorInit =>
    zero.has(name) ? { kind: 'constant', value: 0 } : { kind: 'normal', std: 1 / Math.sqrt(shape[1] ?? 1) };
  return randomTensors(new Map(shapes), seed, init);
}

function statesOf(graphs: readonly Graph[]): readonly string[] {
  const names = new Set<string>();
  for (const { nodes } of graphs) {
    for (const { inputs } of nodes)
      for (const { source } of Object.values(inputs)) if (source.kind === 'state') names.add(source.name);
  }
  // Sums of gradients begin anew with each step.
  return [...names].filter((name) => !name.startsWith('gradient.'));
}
