import { ConfigError, InputError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import { type ConfigReader, readConfig } from '../models/config-reader.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import { readTensor } from '../weights/read-tensor.ts';
import { readSafetensors, type TensorIndex } from '../weights/safetensors.ts';

/** What an official implementation computed for a checkpoint, recorded beside it. */
export interface Reference {
  readonly runs: readonly ReferenceRun[];
  /** Names of a run's recorded tensors, without the run. */
  stages(run: ReferenceRun): readonly string[];
  has(run: ReferenceRun, stage: string): boolean;
  shape(run: ReferenceRun, stage: string): Shape;
  floats(run: ReferenceRun, stage: string): Promise<Float32Array>;
  integers(run: ReferenceRun, stage: string): Promise<Int32Array>;
  close(): Promise<void>;
}

/** One recorded generation. */
export interface ReferenceRun {
  readonly name: string;
  /** A conversation, or the plain prompts of a batch (one unless said otherwise). */
  readonly messages: readonly Message[] | null;
  readonly prompts: readonly string[];
  /** One list per prompt. */
  readonly generatedIds: readonly (readonly number[])[];
  readonly generatedText: string | null;
  /** End tokens of this run where they differ from the checkpoint's. */
  readonly eosTokenIds: readonly number[] | null;
}

/** Opens `reference.json` and `reference.safetensors`. Throws InputError where a checkpoint has none. */
export async function openReference(files: CheckpointFiles): Promise<Reference> {
  for (const file of ['reference.json', 'reference.safetensors']) {
    if (await files.has(file)) continue;
    throw new InputError(
      `${files.name}: has no ${file}; expected a recorded reference. See docs/adding-a-model.md for how to record one.`,
    );
  }
  const json = readConfig(await readJson(files, 'reference.json'), `${files.name}: reference.json`);
  const runs = json.objects('runs').map(parseRun);
  const source = await files.open('reference.safetensors');
  const { index } = await readSafetensors(source);
  const entryOf = (run: ReferenceRun, stage: string) => {
    const entry = index.get(`${run.name}.${stage}`);
    if (!entry)
      throw new InputError(
        `${source.name}: has no tensor "${run.name}.${stage}"; expected it in the reference.`,
      );
    return entry;
  };
  return {
    runs,
    stages: (run) => stagesOf(index, run),
    has: (run, stage) => index.has(`${run.name}.${stage}`),
    shape: (run, stage) => entryOf(run, stage).shape,
    floats: (run, stage) => readTensor(entryOf(run, stage), 'f32'),
    integers: (run, stage) => readTensor(entryOf(run, stage), 'i32'),
    close: () => source.close(),
  };
}

const stagesOf = (index: TensorIndex, run: ReferenceRun): string[] =>
  [...index.keys()]
    .filter((name) => name.startsWith(`${run.name}.`))
    .map((name) => name.slice(run.name.length + 1));

function parseRun(json: ConfigReader): ReferenceRun {
  const isBatch = json.has('prompts');
  const messages = json.has('messages') ? parseMessages(json) : null;
  return {
    name: json.string('name'),
    messages,
    prompts: isBatch ? json.strings('prompts') : [messages ? '' : json.string('prompt')],
    generatedIds: isBatch ? idLists(json, 'generated_ids') : [json.integers('generated_ids')],
    generatedText: json.has('generated_text') ? json.string('generated_text') : null,
    eosTokenIds: json.has('eos_token_id') ? json.integers('eos_token_id') : null,
  };
}

/** Messages in the form that chat templates take; picture parts name files beside the reference. */
const parseMessages = (json: ConfigReader): readonly Message[] =>
  json.objects('messages').map((message) => ({
    role: message.string('role'),
    content:
      typeof message.value('content') === 'string'
        ? message.string('content')
        : message.objects('content').map(parsePart),
  }));

function parsePart(part: ConfigReader): ContentPart {
  const type = part.choice('type', ['text', 'image']);
  return type === 'text' ? { type, text: part.string('text') } : { type, image: part.string('image') };
}

function idLists(json: ConfigReader, field: string): readonly (readonly number[])[] {
  const lists = json.value(field);
  const isIds = (list: unknown): list is number[] => Array.isArray(list) && list.every(Number.isSafeInteger);
  if (Array.isArray(lists) && lists.every(isIds)) return lists;
  throw new ConfigError(`${json.where}: "${field}" is no list of id lists; expected one list per prompt.`);
}
