import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface CliRun {
  /** null where a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly onStart?: (child: ReturnType<typeof spawn>) => void;
  /** No file may grow larger, as if the disk were full. */
  readonly maxFileBytes?: number;
  /** Called with all of stdout so far, each time more comes. */
  readonly onStdout?: (text: string, child: ReturnType<typeof spawn>) => void;
}

/** Runs the program from source as a person would, in the repository. Colours and the like are off: no terminal. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const command = [process.execPath, '--import', 'tsx', 'src/cli/main.ts', ...args];
  const limited = [
    'bash',
    '-c',
    `ulimit -f ${(options.maxFileBytes ?? 0) / 1024} && exec "$@"`,
    '-',
    ...command,
  ];
  const [program = '', ...rest] = options.maxFileBytes === undefined ? command : limited;
  const child = spawn(program, rest, {
    cwd: ROOT,
    env: { ...process.env, TESSERA_ADAPTER: '', TESSERA_DEBUG: '', ...options.env },
  });
  options.onStart?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onStdout?.(stdout, child);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.input !== undefined) child.stdin.end(options.input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
