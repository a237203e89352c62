import { parseArgs } from 'node:util';
import { nearestName } from '../core/nearest.ts';
import type { Command, OptionSpec, OptionSpecs, OptionValues } from './command.ts';
import { UsageError } from './usage-error.ts';

export interface CommandLine {
  readonly help: boolean;
  readonly options: OptionValues<OptionSpecs>;
  readonly operands: readonly string[];
}

/** Reads the arguments after a command's name. Throws UsageError naming what is wrong. */
export function parseCommandLine(command: Command, args: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    args: [...args],
    // Not strict: our own messages name the command and suggest what was meant.
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(
        Object.entries(command.options).map(([name, { kind }]) => [
          name,
          { type: kind === 'flag' ? ('boolean' as const) : ('string' as const) },
        ]),
      ),
    },
  });

  const values: Record<string, unknown> = {};
  for (const [name, { kind }] of Object.entries(command.options)) {
    values[name] = kind === 'flag' ? false : kind === 'texts' ? [] : undefined;
  }
  const operands: string[] = [];
  let help = false;
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === 'help') {
      help = true;
      continue;
    }
    const spec = command.options[token.name];
    if (!spec) throw unknownOption(command, token.rawName, token.name);
    // `--model --json` is a forgotten value; `--model=--json` is meant.
    const forgotten = !token.inlineValue && token.value?.startsWith('--');
    const value = optionValue(spec, `--${token.name}`, forgotten ? undefined : token.value);
    values[token.name] = spec.kind === 'texts' ? [...(values[token.name] as string[]), value] : value;
  }
  if (!help) checkOperands(command, operands);
  return { help, options: values as OptionValues<OptionSpecs>, operands };
}

function optionValue(spec: OptionSpec, name: string, given: string | undefined): unknown {
  if (spec.kind === 'flag') {
    if (given !== undefined) throw new UsageError(`${name} takes no value; got "${given}".`);
    return true;
  }
  if (given === undefined) throw new UsageError(`${name} needs a value: ${valueName(spec)}.`);
  switch (spec.kind) {
    case 'text':
    case 'texts':
      return given;
    case 'choice':
      if (!spec.choices.includes(given)) {
        throw new UsageError(`${name} is "${given}"; expected one of ${spec.choices.join(', ')}.`);
      }
      return given;
    default:
      return numberValue(spec, name, given);
  }
}

function numberValue(
  { kind, min, max = Number.POSITIVE_INFINITY }: Extract<OptionSpec, { kind: 'number' | 'integer' }>,
  name: string,
  given: string,
): number {
  const value = given.trim() === '' ? Number.NaN : Number(given);
  const fits = kind === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (fits && value >= min && value <= max) return value;
  const range = Number.isFinite(max) ? `from ${min} to ${max}` : `of at least ${min}`;
  throw new UsageError(
    `${name} is "${given}"; expected ${kind === 'integer' ? 'an integer' : 'a number'} ${range}.`,
  );
}

/** What the help calls an option's value; '' for a flag. */
export function valueName(spec: OptionSpec): string {
  if (spec.kind === 'flag') return '';
  return spec.kind === 'choice' ? spec.choices.join('|') : spec.value;
}

function unknownOption(command: Command, rawName: string, name: string): UsageError {
  const near = nearestName(name, [...Object.keys(command.options), 'help']);
  const hint = near ? ` Did you mean --${near}?` : ` See: tessera ${command.name} --help`;
  return new UsageError(`${command.name} has no option ${rawName}.${hint}`);
}

function checkOperands({ name, operands: { usage, min, max } }: Command, given: readonly string[]): void {
  if (given.length < min) throw new UsageError(`${name} needs ${usage}. See: tessera ${name} --help`);
  if (max === undefined || given.length <= max) return;
  const extra = given.slice(max).map((operand) => `"${operand}"`);
  const takes = max === 0 ? 'takes no arguments' : `takes ${usage}`;
  throw new UsageError(`${name} ${takes}; ${extra.join(', ')} ${extra.length > 1 ? 'are' : 'is'} too much.`);
}
