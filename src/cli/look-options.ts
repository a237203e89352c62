import type { OptionValues } from './command.ts';
import { modelOptions } from './model-options.ts';
import { UsageError } from './usage-error.ts';

export const KINDS = ['attention', 'rollout', 'similarity', 'lens', 'map'] as const;
export type Kind = (typeof KINDS)[number];

export const lookOptions = {
  ...modelOptions,
  output: {
    kind: 'text',
    value: 'FILE.svg|FILE.png',
    help: 'file to write; default PICTURE-KIND.svg in the current folder, and for lens none',
  },
  of: {
    kind: 'choice',
    choices: ['vision', 'decoder'],
    help: 'attention, rollout: whose; default the decoder that writes, and the tower of a model that does not',
  },
  layer: {
    kind: 'text',
    value: 'N|all',
    help: "attention: one layer, from 0, or a picture for each; default the mean of a decoder's and all of a tower's. similarity: the layer that is read, 0 being the embeddings; default the last",
  },
  head: {
    kind: 'text',
    value: 'N|all',
    help: 'attention: one head, from 0, or a picture for each; default the mean',
  },
  token: {
    kind: 'texts',
    value: 'TEXT|N',
    help: 'a token of the answer, by its text or its number from 0; may be given again; default all',
  },
  from: {
    kind: 'text',
    value: 'class|patches|X,Y',
    help: "vision: whose attention: the class token's (what a picture's embedding is read from), the mean of all patches', or that of the patch at a point, in hundredths of width and height",
  },
  text: {
    kind: 'texts',
    value: 'TEXT',
    help: 'similarity: what to look for; a model that writes takes the first token of it. May be given again',
  },
  prompt: { kind: 'text', value: 'TEXT', help: 'the question; default "Describe the image."' },
  'max-new-tokens': {
    kind: 'integer',
    value: 'N',
    min: 1,
    help: 'the answer ends after so many tokens; default 24',
  },
  top: { kind: 'integer', value: 'N', min: 1, help: 'lens: tokens of each layer in --json; default 5' },
  json: {
    kind: 'flag',
    help: 'the numbers as one JSON object on stdout; a file is written only for --output',
  },
} as const;

export type LookValues = OptionValues<typeof lookOptions>;

/** Which options each kind reads, besides those of the model and the file. */
const READ: Readonly<Record<Kind, readonly (keyof LookValues)[]>> = {
  attention: ['of', 'layer', 'head', 'token', 'from', 'prompt', 'max-new-tokens'],
  rollout: ['of', 'token', 'from', 'prompt', 'max-new-tokens'],
  similarity: ['text', 'layer', 'prompt'],
  lens: ['token', 'prompt', 'max-new-tokens', 'top'],
  map: [],
};

/** Throws UsageError for an option that the kind would leave unread, and for a file of another kind. */
export function checkLookOptions(kind: Kind, values: LookValues): void {
  const known = new Set<string>(Object.values(READ).flat());
  for (const [name, value] of Object.entries(values)) {
    const isGiven = Array.isArray(value) ? value.length > 0 : value !== undefined;
    if (!known.has(name) || !isGiven || READ[kind].some((read) => read === name)) continue;
    throw new UsageError(`look ${kind} does not read --${name}. See: tessera look --help`);
  }
  if (kind === 'similarity' && values.text.length === 0)
    throw new UsageError('look similarity needs --text: what to look for, such as --text "a cat".');
  const { output } = values;
  if (output !== undefined && !/\.(svg|png)$/i.test(output))
    throw new UsageError(`--output is "${output}"; expected a name that ends in .svg or .png.`);
}

/** One of several, by its number; all of them; or what is usual. Throws UsageError. */
export type Choice = number | 'all' | undefined;

export function parseChoice(option: 'layer' | 'head', given: string | undefined, count: number): Choice {
  if (given === undefined || given === 'all') return given;
  const number = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (number < count) return number;
  throw new UsageError(`--${option} is "${given}"; expected 0 to ${count - 1}, or all.`);
}

/** A choice as a list; `usual` where nothing was said. */
export const choices = <T>(choice: Choice, count: number, usual: readonly T[]): readonly (number | T)[] => {
  if (choice === undefined) return usual;
  return choice === 'all' ? Array.from({ length: count }, (_, i) => i) : [choice];
};
