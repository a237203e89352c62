/** The program as a process, without a GPU: exit codes, and what goes to which stream. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { runCli } from './run-cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-cli-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('tessera', () => {
  test('--version and --help go to stdout', async () => {
    const version = await runCli(['--version']);
    expect(version).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
    const help = await runCli(['verify', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/^Usage: tessera verify DIR/);
  });

  test('without a command shows the help on stderr', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: tessera COMMAND');
  });

  test.each([
    [['descrbe', 'a.png'], 'there is no command "descrbe". Did you mean describe?'],
    [['describe', 'a.png', '--max-token', '3'], 'describe has no option --max-token. Did you mean'],
    [['describe'], 'describe needs a picture, --prompt or --messages. See: tessera describe --help'],
    [['describe', '-', '-'], 'describe: - is given twice; expected standard input once.'],
    [
      ['describe', 'a.png', '--messages', 'm.json'],
      'describe: --messages holds the whole conversation; expected no IMAGE',
    ],
    [['describe', 'a.mp4', '--frames', '2', '--fps', '1'], '--frames and --fps were both given'],
    [['describe', 'a.mp4', '--pool', 'sum'], '--pool "sum": expected mean, max, stride, attention'],
    [
      ['describe', 'examples/scene.png', '--frames', '2'],
      'describe: --frames, --fps and --pool are for videos; expected one.',
    ],
    [
      ['describe', 'test/video/clips/vp9.webm', '--raw'],
      'describe: --raw was given with a video; expected pictures, or no --raw.',
    ],
    [['chat', '-'], 'chat: - is given, but standard input is the conversation; expected a path.'],
    [['verify'], 'verify needs DIR. See: tessera verify --help'],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`tessera: ${message}`);
    expect(stderr.trimEnd()).not.toContain('\n');
  });

  test('failures are one line and exit code 1', async () => {
    const png = await readFile('examples/scene.png');
    await writeFile(join(folder, 'cut.png'), png.subarray(0, 2000));
    await writeFile(join(folder, 'note.png'), 'no picture');
    const failures: readonly (readonly [string[], string])[] = [
      [['describe', 'nowhere.png'], 'picture "nowhere.png": it cannot be read (ENOENT'],
      [['describe', join(folder, 'cut.png')], 'it does not decode'],
      [['describe', join(folder, 'note.png')], 'are those of no picture format read here'],
      [['describe', 'nowhere.mp4'], 'video "nowhere.mp4": it cannot be read (ENOENT'],
      [['describe', 'test/video/clips/mpeg4.mp4'], 'its codec mp4v cannot be decoded here'],
      [['describe', '--prompt', 'x', '--model', './nowhere'], '--model "./nowhere": there is no such folder'],
      [['describe', '--prompt', 'x', '--model', folder], 'has no file config.json'],
      [['inspect', 'test/goldens/ops'], 'holds neither model.safetensors nor'],
      [['verify', 'models/demo'], 'has no reference.json'],
    ];
    for (const [args, message] of failures) {
      const { code, stdout, stderr } = await runCli(args);
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' });
      expect(stderr).toMatch(/^tessera: [^\n]*\n$/);
      expect(stderr).toContain(message);
    }
  });

  test('shows the stack only when asked', async () => {
    const { stderr } = await runCli(['describe', 'nowhere.png'], { env: { TESSERA_DEBUG: '1' } });
    expect(stderr).toMatch(/\n {4}at /);
  });

  test('says which hub could not be reached', async () => {
    const { code, stderr } = await runCli(['inspect', 'org/name'], {
      env: { HF_ENDPOINT: 'http://127.0.0.1:1', HF_HOME: folder },
    });
    expect(code).toBe(1);
    expect(stderr).toContain('tessera: --model "org/name": there is no such folder here, and as a hub model');
    expect(stderr).toContain("http://127.0.0.1:1 can't be reached");
  });

  test('ends quietly when nobody reads on', async () => {
    const run = await runCli(['inspect', '--tensors'], { onStdout: (_, child) => child.stdout?.destroy() });
    expect(run).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('tessera inspect', () => {
  test('of the built-in model', async () => {
    const { code, stdout, stderr } = await runCli(['inspect', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      modelType: 'llava',
      parameters: 4_626_240,
      parametersByDType: { F16: 4_626_240 },
      vision: { tokensPerImage: 64, imageShape: [3, 128, 128] },
      unusedTensors: [],
      // 4 layers, keys and values of 2 heads of 32, f32.
      memory: { kvCachePerToken: 4 * 2 * 2 * 32 * 4, contextTokens: 512 },
    });
    expect(Object.keys(report.parametersByPart)).toEqual([
      'language_model',
      'multi_modal_projector',
      'vision_tower',
    ]);
  });

  test('--video tells what frames take before and after pooling, and refuses what does not fit', async () => {
    const pooled = await runCli(['inspect', '--video', '64', '--pool', 'mean:10', '--json']);
    expect({ code: pooled.code, stderr: pooled.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(pooled.stdout).video).toMatchObject({
      frames: 64,
      contextTokens: 512,
      unpooled: { towerRuns: 64, tokens: 4096, fits: false },
      pooled: { towerRuns: 64, tokens: 448, fits: true },
    });
    const { code, stdout, stderr } = await runCli(['inspect', '--video', '64']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\n {2}tokens +4,096\n {2}of the context +800 %\n/);
    expect(stdout).toMatch(/\n {2}fits +no\n/);
    expect(stderr).toBe(
      'tessera: inspect: 64 frames are 4,096 tokens with 8.00 MiB of KV cache, and the context holds 512; expected fewer. Take at most 7 frames, or pool each 10: --pool mean:10.\n',
    );
    const own = await runCli(['inspect', 'test/goldens/qwen2_vl', '--video', '8', '--pool', 'mean']);
    expect(own).toMatchObject({ code: 1, stdout: '' });
    expect(own.stderr).toContain('qwen2_vl takes videos in a way of its own; expected no pooling');
    const text = await runCli(['inspect', 'test/goldens/llama3_text', '--video', '8']);
    expect(text.stderr).toContain('llama is a language model, which takes no videos');
    expect(await runCli(['inspect', '--pool', 'mean'])).toMatchObject({ code: 2 });
  });

  test('of a model that is not supported lists its tensors', async () => {
    await copyFile('test/goldens/qwen2_text/model.safetensors', join(folder, 'model.safetensors'));
    await writeFile(join(folder, 'config.json'), '{"model_type":"abacus"}');
    const { code, stdout, stderr } = await runCli(['inspect', folder]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tessera: .*model_type "abacus" is not supported; expected one of .*llava/);
    expect(stdout).toMatch(/\n {2}model\.embed_tokens\.weight +B?F(16|32) +\[\d+, \d+\]/);
  });
});
