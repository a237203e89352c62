/** `tessera download` as a process, from a hub on this machine. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { partialBytes } from '../../src/weights/hub/partial-file.ts';
import { type HubServer, noise, sha256, startHubServer } from '../weights/hub/hub-server.ts';
import { type CliRun, runCli } from './run-cli.ts';

const COMMIT = 'd'.repeat(40);
const MIB = 2 ** 20;
const weights = noise(3 * MIB);
const WEIGHTS = 'model.safetensors';

let server: HubServer;
let home: string;
let env: Readonly<Record<string, string>>;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tessera-download-'));
  const files = new Map<string, Uint8Array>([
    ['config.json', Buffer.from('{"model_type":"abacus"}')],
    [WEIGHTS, weights],
  ]);
  server = await startHubServer([{ id: 'org/tiny', commit: COMMIT, files }]);
  env = { HF_HOME: home, HF_ENDPOINT: server.url, HF_HUB_CACHE: '', HF_TOKEN: '', HF_HUB_OFFLINE: '' };
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true });
});

const snapshot = (): string => join(home, 'hub/models--org--tiny/snapshots', COMMIT);

/** Sends 2.5 MiB of the weights, and nothing more; then fires `signal`, once 2 MiB of them lie on the disk. */
async function interruptedRun(signal: NodeJS.Signals): Promise<CliRun> {
  server.onFile = (file) => {
    if (file.name !== WEIGHTS) return file.answer();
    file.response.writeHead(200, { 'content-length': weights.length });
    file.response.write(weights.subarray(0, 2.5 * MIB));
  };
  const partial = join(home, 'hub/models--org--tiny/blobs', `${sha256(weights)}.tessera.incomplete`);
  return runCli(['download', 'org/tiny'], {
    env,
    async onStart(child) {
      while (child.exitCode === null && (await partialBytes(partial, weights.length)) < 2 * MIB) {
        await new Promise((later) => setTimeout(later, 20));
      }
      child.kill(signal);
    },
  });
}

/** What of the weights is asked for after an interrupted download. */
async function rangesOfSecondRun(): Promise<string[]> {
  server.requests.splice(0);
  server.onFile = (file) => file.answer();
  const { code, stdout } = await runCli(['download', 'org/tiny'], { env });
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${snapshot()}\n` });
  expect((await readFile(join(snapshot(), WEIGHTS))).equals(weights)).toBe(true);
  expect(await readdir(join(home, 'hub/models--org--tiny/blobs'))).toHaveLength(2);
  return server.requests.filter((path) => path.includes(WEIGHTS)).map((path) => path.split(' ')[1] ?? 'all');
}

const offsetOf = (range: string | undefined): number =>
  Number(/^bytes=(\d+)-3145727$/.exec(range ?? '')?.[1]);

describe('tessera download', () => {
  test('prints the folder', async () => {
    const run = await runCli(['download', 'org/tiny@main'], { env });
    expect(run).toEqual({ code: 0, stdout: `${snapshot()}\n`, stderr: '' });
    const pinned = await runCli(['download', 'org/tiny', '--revision', COMMIT], {
      env: { ...env, HF_HUB_OFFLINE: '1' },
    });
    expect(pinned).toEqual({ code: 0, stdout: `${snapshot()}\n`, stderr: '' });
  });

  test.each([
    [['download'], 2, 'download needs ORG/NAME[@REV]. See: tessera download --help'],
    [['download', 'tiny'], 2, 'download: "tiny" is no hub id; expected org/name'],
    [['download', 'org/none'], 1, 'hub model "org/none": http'],
    [['download', 'org/tiny@..'], 1, 'hub model "org/tiny": revision ".." is no name git allows'],
  ])('%j fails with exit code %i', async (args, code, message) => {
    const run = await runCli(args, { env });
    expect(run).toMatchObject({ code, stdout: '' });
    expect(run.stderr).toContain(`tessera: ${message}`);
    expect(run.stderr.trimEnd()).not.toContain('\n');
  });

  test('is what --model does with a hub id', async () => {
    const { stderr } = await runCli(['describe', '--prompt', 'x', '--model', `org/tiny@${COMMIT}`], { env });
    expect(stderr).toContain('has no file tokenizer.json');
    expect(await readdir(snapshot())).toEqual(['config.json', WEIGHTS]);
  });

  test('ends in order on Ctrl-C, and goes on from there', async () => {
    const run = await interruptedRun('SIGINT');
    expect(run).toEqual({
      code: 130,
      stdout: '',
      stderr: 'The same command goes on where this one stopped.\n',
    });
    expect(await readdir(join(home, 'hub/.locks/models--org--tiny'))).toEqual([]);
    const [range, ...more] = await rangesOfSecondRun();
    expect(more).toEqual([]);
    expect(offsetOf(range)).toBeGreaterThanOrEqual(2 * MIB);
  });

  test('that is killed goes on from what it had written', async () => {
    const run = await interruptedRun('SIGKILL');
    expect(run).toEqual({ code: null, stdout: '', stderr: '' });
    expect(await readdir(join(home, 'hub/.locks/models--org--tiny'))).toEqual(['tessera.lock']);
    await expect(readFile(join(snapshot(), WEIGHTS))).rejects.toThrow('ENOENT');
    const [range, ...more] = await rangesOfSecondRun();
    expect(more).toEqual([]);
    expect(offsetOf(range)).toBeGreaterThanOrEqual(2 * MIB);
  });

  test('twice at once downloads once', async () => {
    server.onFile = (file) => setTimeout(() => file.answer(), 500);
    const runs = await Promise.all([1, 2, 3].map(() => runCli(['download', 'org/tiny'], { env })));
    expect(runs.map(({ code, stdout }) => ({ code, stdout }))).toEqual(
      runs.map(() => ({ code: 0, stdout: `${snapshot()}\n` })),
    );
    expect(server.served.get(WEIGHTS)).toBe(weights.length);
    expect((await readFile(join(snapshot(), WEIGHTS))).equals(weights)).toBe(true);
  });

  test.skipIf(process.platform === 'win32')('says that the disk takes no more', async () => {
    // A limit on the size of files is what a full disk looks like, and needs no disk of its own.
    const run = await runCli(['download', 'org/tiny'], { env, maxFileBytes: 2 * MIB });
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toMatch(/^tessera: "\S+": can't be written \(EFBIG: .*Make room, or set HF_HUB_CACHE/);
    await expect(readFile(join(snapshot(), WEIGHTS))).rejects.toThrow('ENOENT');
    const [range] = await rangesOfSecondRun();
    expect(offsetOf(range)).toBeGreaterThanOrEqual(MIB);
  });
});
