import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../core/errors.ts';
import { SINGLE_FILE } from '../weights/checkpoint.ts';
import { readJson } from '../weights/checkpoint-files.ts';
import { folderFiles } from '../weights/checkpoint-folder.ts';
import { readTensor } from '../weights/read-tensor.ts';
import { readSafetensorsIndex, type TensorIndex } from '../weights/safetensors.ts';
import { isJsonObject } from '../weights/strict-json.ts';
import { encodeSafetensors, type TensorData } from '../weights/write-safetensors.ts';
import { removeFolder, writeFolder } from './atomic-folder.ts';
import { parameterState } from './trainable-parameters.ts';
import { bytesOf, type States, trainedTensors } from './trained-weights.ts';
import type { Trainer } from './trainer.ts';

/** Beside the model's own files: what a training needs to go on. */
const TRAINER_JSON = 'trainer.json';
const TRAINER_TENSORS = 'trainer.safetensors';
const FORMAT = 1;

/** What training hands over to a checkpoint. */
export interface CheckpointContent {
  /** Steps taken. */
  readonly step: number;
  readonly trainer: Trainer;
  /** The weights that training began with: frozen ones are copied from there. */
  readonly index: TensorIndex;
  /** The model's small files: config.json, tokenizer.json and so on, as JSON. */
  readonly files: Readonly<Record<string, unknown>>;
  /** What else is to be known to go on: seed, sizes, rates. Plain JSON. */
  readonly settings: unknown;
}

const folderName = (step: number): string => `checkpoint-${String(step).padStart(6, '0')}`;
const FOLDER = /^checkpoint-(\d{6,})$/;

/**
 * Writes a checkpoint of the trainer as it is after the steps submitted so far, then removes all but the newest `keep`.
 * The folder loads as any model, and holds what the optimizer keeps as well. It is there whole or not at all. Gives its path.
 */
export async function saveCheckpoint(
  folder: string,
  content: CheckpointContent,
  keep: number,
): Promise<string> {
  const { step, trainer } = content;
  // Submitted before anything is awaited, so the states are those of this step.
  const reading = trainer.readStates(trainer.stateNames);
  await mkdir(folder, { recursive: true });
  const files = await checkpointFiles(content, await reading);
  const path = join(folder, folderName(step));
  await writeFolder(path, files);
  const all = await listCheckpoints(folder);
  for (const old of all.slice(keep)) await removeFolder(old.path);
  return path;
}

async function checkpointFiles(
  { step, trainer, index, files, settings }: CheckpointContent,
  states: States,
): Promise<ReadonlyMap<string, Uint8Array | string>> {
  const model = await trainedTensors(trainer, states, index);
  const kept = [...states].filter(([name]) => !isModelState(name, index));
  const optimizer = kept.map(
    ([name, values]): TensorData => ({
      name,
      dtype: 'F32',
      shape: [values.length],
      bytes: bytesOf(values),
    }),
  );
  return new Map<string, Uint8Array | string>([
    ...Object.entries(files).map(([name, json]) => [name, toText(json)] as const),
    [SINGLE_FILE, encodeSafetensors(model, { format: 'pt' })],
    [TRAINER_TENSORS, encodeSafetensors(optimizer)],
    [TRAINER_JSON, toText({ format: FORMAT, step, settings })],
  ]);
}

/** Whether a state's values are in model.safetensors as they are; adapters are there in their sums alone. */
const isModelState = (state: string, index: TensorIndex): boolean =>
  state.startsWith(parameterState('')) && index.has(state.slice(parameterState('').length));

const toText = (json: unknown): string => `${JSON.stringify(json, null, 2)}\n`;

export interface FoundCheckpoint {
  readonly step: number;
  readonly path: string;
}

/** Checkpoints in `folder`, the newest first; none where there is no such folder. */
export async function listCheckpoints(folder: string): Promise<readonly FoundCheckpoint[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const step = FOLDER.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, name) }];
    })
    .sort((a, b) => b.step - a.step);
}

/** The step and settings of a checkpoint. Throws InputError where it is none, WeightError for a damaged file. */
export async function readTrainerSettings(path: string): Promise<{ step: number; settings: unknown }> {
  const files = await folderFiles(path);
  if (!(await files.has(TRAINER_JSON))) {
    throw new InputError(
      `"${path}": has no ${TRAINER_JSON}; expected a checkpoint of a training. Give a folder that one wrote.`,
    );
  }
  const json = await readJson(files, TRAINER_JSON);
  const { format, step, settings } = isJsonObject(json) ? json : {};
  if (format !== FORMAT || typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0) {
    throw new InputError(
      `"${path}": ${TRAINER_JSON} has format ${JSON.stringify(format)} and step ${JSON.stringify(step)}; expected format ${FORMAT} and a count. It may be of another version.`,
    );
  }
  return { step, settings };
}

/**
 * Sets every state of the trainer to what the checkpoint holds, so that the next step is the one that would have followed.
 * Throws InputError where states are missing or of other sizes: the checkpoint is of another model or optimizer.
 */
export async function restoreCheckpoint(path: string, trainer: Trainer): Promise<void> {
  const files = await folderFiles(path);
  const sources = await Promise.all([SINGLE_FILE, TRAINER_TENSORS].map((name) => files.open(name)));
  try {
    const [model, optimizer] = await Promise.all(sources.map((source) => readSafetensorsIndex(source)));
    for (const state of trainer.stateNames) {
      const entry = optimizer?.get(state) ?? model?.get(state.slice(parameterState('').length));
      if (!entry) {
        throw new InputError(
          `"${path}": holds no state "${state}"; expected those of this model and optimizer. Resume with the settings it was trained with.`,
        );
      }
      trainer.writeState(state, Float32Array.from(await readTensor(entry, 'f32')));
    }
  } finally {
    for (const source of sources) await source.close();
  }
}
