/**
 * The sources, unbuilt, under the runtimes that npm installs: `answer.ts` is run as it stands. Node needs tsx for
 * it; Deno and Bun strip the types themselves. Dawn and sharp are the same native modules in all three.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { isDriverCarried } from '../../src/device/driver-cache.ts';
import { testAdapters } from '../adapters.ts';
import { readGoldenJson } from '../read-golden.ts';

interface LlavaReference {
  readonly runs: readonly {
    readonly name: string;
    readonly prompt: string;
    readonly generated_ids: readonly number[];
  }[];
}

const bin = (name: string): string => resolve('node_modules/.bin', name);
const RUNTIMES: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['Node', process.execPath, ['--import', 'tsx']],
  ['Deno', bin('deno'), ['run', '--allow-all', '--no-check']],
  ['Bun', bin('bun'), ['run']],
];
const adapter = testAdapters()[0];
const execute = promisify(execFile);

/** A process that hangs is killed, and is then an error. */
async function run(
  [, command, args]: (typeof RUNTIMES)[number],
  program: readonly string[],
  env: Readonly<Record<string, string>>,
) {
  const options = { env: { ...process.env, ...env }, timeout: 110_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await execute(command, [...args, ...program], options);
  return stdout;
}

describe.each(RUNTIMES)('%s', (...runtime) => {
  const isInstalled = existsSync(runtime[1]);

  test.skipIf(!isInstalled || adapter === undefined)('answers as the golden LLaVA does', async () => {
    const { runs } = readGoldenJson<LlavaReference>('llava15/reference.json');
    const chat = runs.find(({ name }) => name === 'chat');
    const folder = 'test/goldens/llava15';
    const program = ['test/runtimes/answer.ts', folder, `${folder}/image_0.png`, chat?.prompt ?? ''];
    const limit = String(chat?.generated_ids.length);
    const stdout = await run(runtime, [...program, limit], { TESSERA_ADAPTER: adapter ?? '' });
    const { tokenIds, adapterName } = JSON.parse(stdout);
    expect(tokenIds).toEqual(chat?.generated_ids);
    if (adapter === 'lavapipe') expect(adapterName).toMatch(/llvmpipe/);
  });

  test.skipIf(!isInstalled || !isDriverCarried())(
    'finds the SwiftShader from npm where there are no drivers',
    async () => {
      const cache = await mkdtemp(join(tmpdir(), 'tessera-runtime-'));
      const variables = {
        VK_DRIVER_FILES: '/nonexistent/icd.json',
        TESSERA_ADAPTER: '',
        TESSERA_CACHE: cache,
      };
      try {
        const stdout = await run(runtime, ['test/runtimes/adapter-name.ts'], variables);
        expect(stdout).toMatch(/SwiftShader.*\nNo GPU or lavapipe driver found/);
      } finally {
        await rm(cache, { recursive: true, force: true });
      }
    },
  );

  test.skipIf(!isInstalled)('runs the command', async () => {
    const stdout = await run(runtime, ['src/cli/main.ts', 'inspect', 'models/demo'], {});
    expect(stdout).toContain('llava');
  });
});
