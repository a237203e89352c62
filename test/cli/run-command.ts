import { PassThrough } from 'node:stream';
import type { Command, Terminal } from '../../src/cli/command.ts';
import { parseCommandLine } from '../../src/cli/parse-command-line.ts';

/** Runs a command within this process; what it throws is what the program would report. */
export async function runCommand(
  command: Command,
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const { options, operands } = parseCommandLine(command, args);
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written): NodeJS.WriteStream => {
    const through = new PassThrough().on('data', (chunk: Buffer) => {
      written[name] += chunk.toString('utf8');
    });
    return through as unknown as NodeJS.WriteStream;
  };
  const terminal: Terminal = {
    stdin: new PassThrough() as unknown as NodeJS.ReadStream,
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    signal: new AbortController().signal,
  };
  const code = await command.run(options, operands, terminal);
  return { code, ...written };
}
