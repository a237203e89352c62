import { ConfigError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import { type ConfigReader, readConfig } from '../models/config-reader.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import { openReferenceTensors, type ReferenceTensors } from './reference-tensors.ts';

/** What an official implementation computed for a checkpoint, recorded beside it. */
export interface Reference {
  readonly runs: readonly ReferenceRun[];
  /** A prompt with an answer to train on, where one was recorded. */
  readonly suffixRun: SuffixRun | null;
  /** All tensors by their whole names; those of no run among them. */
  readonly tensors: ReferenceTensors;
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
  /** Picture files of plain prompts. */
  readonly images: readonly string[];
  /** Frames of the video that the messages show. */
  readonly video: { readonly frames: readonly string[]; readonly fps: number | null } | null;
  /** Fields of the image processor's config that this run changed. */
  readonly processor: Readonly<Record<string, unknown>>;
  readonly prompts: readonly string[];
  /** One list per prompt. */
  readonly generatedIds: readonly (readonly number[])[];
  readonly generatedText: string | null;
  /** End tokens of this run where they differ from the checkpoint's. */
  readonly eosTokenIds: readonly number[] | null;
}

/** The run `suffix`, whose answer is given. */
export interface SuffixRun extends ReferenceRun {
  readonly suffix: string;
}

/** Opens `reference.json` and `reference.safetensors`. */
export async function openReference(files: CheckpointFiles): Promise<Reference> {
  const tensors = await openReferenceTensors(files);
  const json = readConfig(await readJson(files, 'reference.json'), `${files.name}: reference.json`);
  const runs = await Promise.all(json.objects('runs').map((run) => withGroups(parseRun(run), tensors)));
  const suffixRun = json.has('suffix_run') ? parseSuffixRun(json.object('suffix_run')) : null;
  const nameOf = (run: ReferenceRun, stage: string): string => `${run.name}.${stage}`;
  return {
    runs,
    suffixRun,
    tensors,
    stages: (run) => stagesOf(tensors.names, run),
    has: (run, stage) => tensors.has(nameOf(run, stage)),
    shape: (run, stage) => tensors.shape(nameOf(run, stage)),
    floats: (run, stage) => tensors.floats(nameOf(run, stage)),
    integers: (run, stage) => tensors.integers(nameOf(run, stage)),
    close: () => tensors.close(),
  };
}

/** The run with the pictures in the groups that its reference took for conversations, where it recorded them. */
async function withGroups(run: ReferenceRun, tensors: ReferenceTensors): Promise<ReferenceRun> {
  const name = `${run.name}.inputs.batch_num_images`;
  if (!tensors.has(name)) return run;
  return { ...run, processor: { ...run.processor, batch_num_images: [...(await tensors.integers(name))] } };
}

const stagesOf = (names: readonly string[], run: ReferenceRun): string[] =>
  names.filter((name) => name.startsWith(`${run.name}.`)).map((name) => name.slice(run.name.length + 1));

/** Fields of an image processor that a run may change. */
const PROCESSOR_FIELDS = ['do_image_splitting', 'do_pan_and_scan', 'pan_and_scan_min_crop_size'] as const;

function parseRun(json: ConfigReader): ReferenceRun {
  const isBatch = json.has('prompts');
  const messages = json.has('messages') ? parseMessages(json) : null;
  return {
    name: json.string('name'),
    messages,
    images: !messages && json.has('images') ? json.strings('images') : [],
    video: json.has('video') ? parseVideo(json.object('video')) : null,
    processor: Object.fromEntries(
      PROCESSOR_FIELDS.filter((field) => json.has(field)).map((field) => [field, json.value(field)]),
    ),
    prompts: isBatch ? json.strings('prompts') : [messages ? '' : json.string('prompt')],
    generatedIds: isBatch ? idLists(json, 'generated_ids') : [json.integers('generated_ids')],
    generatedText: json.has('generated_text') ? json.string('generated_text') : null,
    eosTokenIds: json.has('eos_token_id') ? json.integers('eos_token_id') : null,
  };
}

const parseSuffixRun = (json: ConfigReader): SuffixRun => ({
  name: 'suffix',
  messages: null,
  images: json.strings('images'),
  video: null,
  processor: {},
  prompts: [json.string('prompt')],
  generatedIds: [],
  generatedText: null,
  eosTokenIds: null,
  suffix: json.string('suffix'),
});

/** Messages in the form that chat templates take; picture parts name files beside the reference. */
const parseMessages = (json: ConfigReader): readonly Message[] =>
  json.objects('messages').map((message) => ({
    role: message.string('role'),
    content:
      typeof message.value('content') === 'string'
        ? message.string('content')
        : message.objects('content').map(parsePart),
  }));

const parseVideo = (json: ConfigReader) => ({
  frames: json.strings('frames'),
  fps: json.has('fps') ? json.number('fps') : null,
});

function parsePart(part: ConfigReader): ContentPart {
  const type = part.choice('type', ['text', 'image', 'video']);
  if (type === 'video') return { type };
  return type === 'text' ? { type, text: part.string('text') } : { type, image: part.string('image') };
}

function idLists(json: ConfigReader, field: string): readonly (readonly number[])[] {
  const lists = json.value(field);
  const isIds = (list: unknown): list is number[] => Array.isArray(list) && list.every(Number.isSafeInteger);
  if (Array.isArray(lists) && lists.every(isIds)) return lists;
  throw new ConfigError(`${json.where}: "${field}" is no list of id lists; expected one list per prompt.`);
}
