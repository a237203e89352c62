import type { Command, OptionSpec } from './command.ts';
import { valueName } from './parse-command-line.ts';
import { formatTable, wrapWords } from './table.ts';

const WIDTH = 100;

/** A command as the overall help shows it. */
export interface CommandSummary {
  readonly name: string;
  readonly summary: string;
}

export function formatProgramHelp(version: string, commands: readonly CommandSummary[]): string {
  return [
    `tessera ${version}: vision language models from raw safetensors, on WebGPU`,
    '',
    'Usage: tessera COMMAND [ARGUMENT...]',
    '',
    'Commands:',
    ...formatTable(commands.map(({ name, summary }) => [`  ${name}`, summary])),
    '',
    'Options:',
    ...formatTable([
      ['  -h, --help', 'this text; after a command, that command in full'],
      ['  -V, --version', 'the version'],
    ]),
    '',
    'Environment:',
    ...formatTable([
      ['  TESSERA_ADAPTER', 'the adapter to use where --adapter is not given'],
      ['  TESSERA_CACHE', 'folder for drivers and embeddings, instead of the cache folder of the system'],
      ['  TESSERA_DEBUG=1', 'errors with their stack'],
      [
        '  HF_HOME, HF_TOKEN, HF_HUB_OFFLINE',
        'as in other tools, for models of the hub; see download --help',
      ],
    ]),
    '',
    'Exit codes: 0 ok, 1 failure (verify: beyond tolerance), 2 wrong usage, 130 interrupted by Ctrl-C.',
    '',
  ].join('\n');
}

export function formatCommandHelp(command: Command, summary: string): string {
  const options: readonly [string, OptionSpec][] = [
    ...Object.entries(command.options),
    ['help', { kind: 'flag', help: 'this text' }],
  ];
  return [
    `Usage: tessera ${[command.name, command.operands.usage, '[OPTION...]'].filter(Boolean).join(' ')}`,
    '',
    `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`,
    ...(command.details ? ['', ...paragraphs(command.details)] : []),
    '',
    'Options:',
    ...optionLines(options),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ].join('\n');
}

function optionLines(options: readonly (readonly [string, OptionSpec])[]): string[] {
  const heads = options.map(([name, spec]) => `  --${name} ${valueName(spec)}`.trimEnd());
  const column = Math.max(...heads.map((head) => head.length)) + 2;
  return options.flatMap(([, spec], i) =>
    wrapWords(spec.help, WIDTH - column).map((line, row) =>
      `${(row === 0 ? (heads[i] ?? '') : '').padEnd(column)}${line}`.trimEnd(),
    ),
  );
}

/** Indented lines (samples) stay as they are. */
function paragraphs(text: string): string[] {
  return text
    .split('\n\n')
    .flatMap((part, i) => [
      ...(i === 0 ? [] : ['']),
      ...(part.startsWith(' ') ? part.split('\n') : wrapWords(part, WIDTH)),
    ]);
}
