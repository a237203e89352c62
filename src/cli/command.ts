/** How a command of the `tessera` program is declared: one table feeds the parser, the help and the types. */

/** One `--option`. `value` is what the help calls its value. */
export type OptionSpec =
  | { readonly kind: 'flag'; readonly help: string }
  | { readonly kind: 'text' | 'texts'; readonly value: string; readonly help: string }
  | { readonly kind: 'choice'; readonly choices: readonly string[]; readonly help: string }
  | {
      readonly kind: 'number' | 'integer';
      readonly value: string;
      readonly min: number;
      readonly max?: number;
      readonly help: string;
    };

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What an option's value is once parsed: flags are false and lists empty where not given. */
export type OptionValue<Spec extends OptionSpec> = Spec extends { readonly kind: 'flag' }
  ? boolean
  : Spec extends { readonly kind: 'texts' }
    ? readonly string[]
    : Spec extends { readonly kind: 'number' | 'integer' }
      ? number | undefined
      : Spec extends { readonly kind: 'choice'; readonly choices: readonly (infer Choice)[] }
        ? Choice | undefined
        : string | undefined;

export type OptionValues<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]: OptionValue<Specs[Name]>;
};

/** Arguments that are no options; `max` undefined for any number. */
export interface OperandSpec {
  /** As the usage line shows them: `IMAGE...`. */
  readonly usage: string;
  readonly min: number;
  readonly max?: number;
}

/** What a command reads from and writes to, and the signal that Ctrl-C fires. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

export interface CommandSpec<Specs extends OptionSpecs> {
  readonly name: string;
  /** Paragraphs of the help below the command's summary. */
  readonly details?: string;
  readonly operands: OperandSpec;
  readonly options: Specs;
  readonly examples: readonly string[];
  /** Gives the exit code. */
  run(options: OptionValues<Specs>, operands: readonly string[], terminal: Terminal): Promise<number>;
}

/** A command with its option types forgotten: what the program and the help need. */
export type Command = CommandSpec<OptionSpecs>;

/** Ties the types of a command's `run` to its option table. */
export function defineCommand<const Specs extends OptionSpecs>(spec: CommandSpec<Specs>): Command {
  return spec as unknown as Command;
}
