import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface ServerProcess {
  readonly url: string;
  stop(): Promise<void>;
}

/** `tessera serve` as a process of its own, on a free port. Throws where it ends before it serves. */
export async function startServer(options: readonly string[]): Promise<ServerProcess> {
  const command = ['--import', 'tsx', 'src/cli/main.ts', 'serve', '--port', '0', '--log', 'text', ...options];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'pipe'] });
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      // Of what is logged only faults of the server are of interest.
      said = (said + text).replaceAll(/^\S+ \S+ \S+ [2-4]\d\d .*\n/gm, '').slice(-20_000);
      const [, address] = /^Serving .* at (http\S+)\/v1$/m.exec(said) ?? [];
      if (address) resolve(address);
    });
    child.once('exit', (code) => reject(new Error(`tessera serve ended with ${code}: ${said}`)));
  });
  const cut = (code: number | null, signal: string | null): void =>
    console.error(`tessera serve ended by itself with ${code ?? signal}: ${said}`);
  child.once('exit', cut);
  return {
    url,
    async stop() {
      child.off('exit', cut);
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = await ended;
      for (const line of said
        .split('\n')
        .filter((text) => / 5\d\d /.test(text))
        .slice(0, 3))
        console.error(line);
      if (code !== 0) throw new Error(`tessera serve ended with ${code} on SIGTERM: ${said}`);
    },
  };
}
