import type { GenerateOptions } from '../generate/vision-language-model.ts';
import type { OptionValues } from './command.ts';

/** The options of every command that writes an answer. */
export const samplingOptions = {
  greedy: { kind: 'flag', help: 'always the most likely token' },
  'max-new-tokens': { kind: 'integer', value: 'N', min: 1, help: 'the answer ends after so many tokens' },
  temperature: { kind: 'number', value: 'X', min: 0, help: '0 is greedy; higher is more varied' },
  'top-k': { kind: 'integer', value: 'N', min: 0, help: 'sample from the N likeliest tokens; 0 for all' },
  'top-p': {
    kind: 'number',
    value: 'X',
    min: 0,
    max: 1,
    help: 'sample from the likeliest tokens that make up this probability',
  },
  'min-p': {
    kind: 'number',
    value: 'X',
    min: 0,
    max: 1,
    help: 'leave out tokens less than X times as likely as the likeliest',
  },
  'repetition-penalty': {
    kind: 'number',
    value: 'X',
    min: 0.01,
    help: 'over 1 makes what the text holds less likely',
  },
  seed: { kind: 'integer', value: 'N', min: 0, max: 2 ** 32 - 1, help: 'repeats a sampled answer' },
  stop: { kind: 'texts', value: 'TEXT', help: 'the answer ends before TEXT; may be given more than once' },
} as const;

export type SamplingValues = OptionValues<typeof samplingOptions>;

/** As `generate` takes them; what was not given stays out, and so is the checkpoint's. */
export function generateOptions(values: SamplingValues): GenerateOptions {
  const { greedy, stop } = values;
  return {
    greedy,
    stop,
    ...given('maxNewTokens', values['max-new-tokens']),
    ...given('temperature', values.temperature),
    ...given('topK', values['top-k']),
    ...given('topP', values['top-p']),
    ...given('minP', values['min-p']),
    ...given('repetitionPenalty', values['repetition-penalty']),
    ...given('seed', values.seed),
  };
}

const given = <Name extends keyof GenerateOptions>(
  name: Name,
  value: GenerateOptions[Name] | undefined,
): Pick<GenerateOptions, Name> | Record<never, never> => (value === undefined ? {} : { [name]: value });
