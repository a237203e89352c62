import { InputError } from '../core/errors.ts';
import { isJsonObject, type JsonObject, showJson } from '../weights/strict-json.ts';

/** What is done with every picture of a batch; plain JSON, since it travels through queues and stands in journals. */
export type BatchTask = CaptionTask | EmbedTask | ClassifyTask;

interface OnModel {
  /** Folder, address or hub id; undefined for the built-in model. */
  readonly model?: string | undefined;
  readonly dtype?: string | undefined;
}

/** Captions are greedy, so that doing a picture again gives the same text. */
export interface CaptionTask extends OnModel {
  readonly kind: 'caption';
  readonly prompt: string;
  readonly maxNewTokens?: number | undefined;
}

export interface EmbedTask extends OnModel {
  readonly kind: 'embed';
}

export interface ClassifyTask extends OnModel {
  readonly kind: 'classify';
  readonly labels: readonly string[];
  readonly template?: string | undefined;
}

/** One picture of a batch. */
export interface BatchPicture {
  /** Unique in its batch, and the same when the batch is run again. */
  readonly id: string;
  /** Absolute path, or an address. */
  readonly image: string;
}

/** What a task gives for one picture. */
export type BatchResult = CaptionResult | EmbedResult | ClassifyResult;
export interface CaptionResult {
  readonly text: string;
}
export interface EmbedResult {
  readonly embedding: readonly number[];
}
export interface ClassifyResult {
  /** The best of `scores`. */
  readonly label: string;
  readonly scores: readonly { readonly label: string; readonly probability: number }[];
}
export type BatchRecord = { readonly id: string } & BatchResult;

/** A picture that is done with: it has its result, or a problem that is left after all attempts. */
export type Outcome =
  | { readonly picture: BatchPicture; readonly result: BatchResult }
  | { readonly picture: BatchPicture; readonly problem: string };

/** A task with its model loaded. */
export interface TaskRunner {
  run(picture: BatchPicture, signal: AbortSignal): Promise<BatchResult>;
  dispose(): void;
}

export type OpenTask = (task: BatchTask) => Promise<TaskRunner>;

/** A task that was read from outside. Throws InputError. */
export function readTask(json: unknown): BatchTask {
  if (!isJsonObject(json)) throw wrong('task', json, 'an object');
  const on = { model: optionalText(json, 'model'), dtype: optionalText(json, 'dtype') };
  switch (json.kind) {
    case 'caption': {
      const { maxNewTokens } = json;
      if (maxNewTokens !== undefined && !(Number.isSafeInteger(maxNewTokens) && Number(maxNewTokens) > 0))
        throw wrong('maxNewTokens', maxNewTokens, 'a whole number above 0');
      const prompt = requiredText(json, 'prompt');
      return { kind: 'caption', ...on, prompt, maxNewTokens: maxNewTokens as number | undefined };
    }
    case 'embed':
      return { kind: 'embed', ...on };
    case 'classify': {
      const { labels } = json;
      if (!isTexts(labels) || labels.length === 0) throw wrong('labels', labels, 'a list of texts');
      return { kind: 'classify', ...on, labels, template: optionalText(json, 'template') };
    }
    default:
      throw wrong('kind', json.kind, 'caption, embed or classify');
  }
}

/** A picture that was read from outside. Throws InputError. */
export function readBatchPicture(json: unknown): BatchPicture {
  if (!isJsonObject(json)) throw wrong('picture', json, 'an object');
  return { id: requiredText(json, 'id'), image: requiredText(json, 'image') };
}

/** A result that was read from outside, of this kind of task. Throws InputError. */
export function readResult(kind: BatchTask['kind'], json: unknown): BatchResult {
  if (!isJsonObject(json)) throw wrong('result', json, 'an object');
  switch (kind) {
    case 'caption':
      return { text: requiredText(json, 'text') };
    case 'embed': {
      const { embedding } = json;
      if (!Array.isArray(embedding) || !embedding.every(Number.isFinite))
        throw wrong('embedding', embedding, 'a list of numbers');
      return { embedding };
    }
    case 'classify': {
      const { scores } = json;
      if (!Array.isArray(scores) || !scores.every(isScore)) throw wrong('scores', scores, 'a list of scores');
      return { label: requiredText(json, 'label'), scores };
    }
  }
}

const isScore = (json: unknown): json is ClassifyResult['scores'][number] =>
  isJsonObject(json) && typeof json.label === 'string' && Number.isFinite(json.probability);

const isTexts = (json: unknown): json is readonly string[] =>
  Array.isArray(json) && json.every((text) => typeof text === 'string');

function requiredText(json: JsonObject, name: string): string {
  const value = json[name];
  if (typeof value !== 'string') throw wrong(name, value, 'a text');
  return value;
}

function optionalText(json: JsonObject, name: string): string | undefined {
  return json[name] === undefined ? undefined : requiredText(json, name);
}

const wrong = (name: string, value: unknown, expected: string): InputError =>
  new InputError(`batch: ${name} is ${showJson(value)}; expected ${expected}.`);
