#!/usr/bin/env node
import { AbortError } from '../core/errors.ts';
import { nearestName } from '../core/nearest.ts';
import type { Terminal } from './command.ts';
import { commands } from './commands.ts';
import { formatCommandHelp, formatProgramHelp } from './help.ts';
import { EXIT_INTERRUPTED, watchInterrupt } from './interrupt.ts';
import { packageVersion } from './package-version.ts';
import { parseCommandLine } from './parse-command-line.ts';
import { UsageError } from './usage-error.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const text = formatProgramHelp(packageVersion(), commands);
    (name === undefined ? terminal.stderr : terminal.stdout).write(text);
    return name === undefined ? EXIT_USAGE : 0;
  }
  if (name === '--version' || name === '-V') {
    terminal.stdout.write(`${packageVersion()}\n`);
    return 0;
  }
  const entry = commands.find((candidate) => candidate.name === name);
  if (!entry) throw unknownCommand(name);
  const command = await entry.load();
  const { help, options, operands } = parseCommandLine(command, rest);
  if (help) {
    terminal.stdout.write(formatCommandHelp(command, entry.summary));
    return 0;
  }
  return command.run(options, operands, terminal);
}

function unknownCommand(name: string): UsageError {
  const near = nearestName(
    name,
    commands.map((command) => command.name),
  );
  return new UsageError(
    `there is no command "${name}". ${near ? `Did you mean ${near}?` : 'See: tessera --help'}`,
  );
}

function reportError(error: unknown, { stderr, signal }: Terminal): number {
  if (signal.aborted && (error instanceof AbortError || (error as Error).name === 'AbortError')) {
    return EXIT_INTERRUPTED;
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  stderr.write(`tessera: ${process.env.TESSERA_DEBUG ? (stack ?? message) : message}\n`);
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

/** `tessera ... | head`: nobody reads on, which is no failure. */
function exitWhenUnread(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

exitWhenUnread(process.stdout);
exitWhenUnread(process.stderr);
const { stdin, stdout, stderr } = process;
const terminal: Terminal = { stdin, stdout, stderr, signal: watchInterrupt() };
// No process.exit: what is written must reach its reader, and a GPU that is not disposed of must not go unseen.
process.exitCode = await run(process.argv.slice(2), terminal).catch((error: unknown) =>
  reportError(error, terminal),
);
