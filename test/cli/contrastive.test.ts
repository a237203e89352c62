/** embed, classify and search as processes. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { parseCommandLine } from '../../src/cli/parse-command-line.ts';
import { rank } from '../../src/cli/search.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { driverFolder } from '../../src/device/driver-cache.ts';
import { testAdapters } from '../adapters.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { runCli } from './run-cli.ts';

const GOLDEN = 'test/goldens/clip';
const adapter = testAdapters()[0];
const model = ['--model', GOLDEN, '--adapter', adapter ?? 'none', '--dtype', 'f32'];
const { texts } = readGoldenJson<{ texts: string[] }>('clip/reference.json');
const tensors = readGoldenTensors('clip/reference.safetensors');
const pictures = [0, 1, 2].map((i) => `${GOLDEN}/image_${i}.png`);

const row = (tensor: string, i: number): number[] => {
  const { data, shape } = tensors(tensor);
  const width = shape[1] ?? 0;
  return [...data.slice(i * width, (i + 1) * width)];
};
function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, 4);
  });
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-contrastive-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('wrong usage', () => {
  test.each([
    [['embed', 'a.png'], 'embed needs --model: no contrastive model is built in. Give a CLIP or SigLIP'],
    [['classify', 'a.png', '--labels', 'a'], 'classify needs --model: no contrastive model is built in'],
    [['search', '.', 'a'], 'search needs --model: no contrastive model is built in'],
    [['embed', '--model', 'x'], 'embed needs a picture or --text. See: tessera embed --help'],
    [
      ['embed', 'a.png', '--model', 'x', '--output', 'a.txt'],
      '--output is "a.txt"; expected a name that ends',
    ],
    [['classify', 'a.png', '--model', 'x'], 'classify needs --labels "A,B,..." or --label TEXT'],
    [['classify', 'a.png', '--model', 'x', '--labels', 'a,,b'], 'classify: a label is empty'],
    [
      ['classify', 'a.png', '--model', 'x', '--label', 'a', '--temperature', '0'],
      '--temperature is "0"; expected a number above 0',
    ],
    [
      ['classify', 'a.png', '--model', 'x', '--label', 'a', '--template', 'a photo'],
      '--template is "a photo"; expected {} in it',
    ],
    [['search', '.', '--model', 'x'], 'search needs FOLDER QUERY. See: tessera search --help'],
  ])('%j', async ([name = '', ...args], message) => {
    const command = await commands.find((entry) => entry.name === name)?.load();
    const call = async () => {
      const { options, operands } = parseCommandLine(command ?? expect.unreachable(), args);
      const { stdin, stdout, stderr } = process;
      await command?.run(options, operands, { stdin, stdout, stderr, signal: AbortSignal.abort() });
    };
    await expect(call()).rejects.toBeInstanceOf(UsageError);
    await expect(call()).rejects.toThrow(message);
  });

  test('of a model of the other kind names the right commands', async () => {
    const embed = await runCli(['embed', '--text', 'a', '--model', 'models/demo']);
    expect(embed).toMatchObject({ code: 1, stdout: '' });
    expect(embed.stderr).toContain('Use loadModel, or the commands describe and chat.');
    const describeRun = await runCli(['describe', '--prompt', 'x', '--model', GOLDEN]);
    expect(describeRun).toMatchObject({ code: 1, stdout: '' });
    expect(describeRun.stderr).toContain('or the commands embed, classify and search.');
  });

  test('a folder without pictures is said before a model is loaded', async () => {
    const run = await runCli(['search', folder, 'x', ...model]);
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('holds no picture');
  });
});

test('inspect tells towers, sizes and memory', async () => {
  const { code, stdout } = await runCli(['inspect', GOLDEN, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    modelType: 'clip',
    embeddingSize: 32,
    vision: { tokensPerImage: 17, imageShape: [3, 32, 32], numHiddenLayers: 3 },
    text: { maxPositionEmbeddings: 77, vocabSize: 700 },
    unusedTensors: [],
    memory: { batch: 8 },
  });
  const people = await runCli(['inspect', GOLDEN]);
  expect(people.stdout).toMatch(/\nembeddings +32 values\n/);
});

describe.skipIf(adapter === undefined)(`on ${adapter}`, () => {
  test('embed prints a line of JSON per input, pictures first', async () => {
    const input = await readFile(pictures[1] ?? '');
    const run = await runCli(['embed', pictures[0] ?? '', '-', '--text', texts[2] ?? '', ...model], {
      input,
    });
    expect(run.code).toBe(0);
    const lines = run.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ image, text }) => image ?? text)).toEqual([pictures[0], '-', texts[2]]);
    expectClose(lines[0].embedding, row('image_embeds', 0));
    expectClose(lines[1].embedding, row('image_embeds', 1));
    expectClose(lines[2].embedding, row('text_embeds', 2));
  });

  test('embed --output writes a NumPy file, whole or not at all', async () => {
    const output = join(folder, 'all.npy');
    const run = await runCli(['embed', ...pictures, '--text', texts[0] ?? '', '--output', output, ...model]);
    expect(run).toMatchObject({ code: 0, stdout: '' });
    expect(run.stderr).toContain('all.npy: 4 embeddings of 32 values');
    const bytes = await readFile(output);
    const values = new Float32Array(new Uint8Array(bytes.subarray(bytes.length - 4 * 32 * 4)).buffer);
    expectClose([...values.slice(0, 32)], row('image_embeds', 0));
    expectClose([...values.slice(96)], row('text_embeds', 0));
    if (hasNumpy()) {
      const read = `import numpy; a = numpy.load(${JSON.stringify(output)}); print(a.shape, a.dtype)`;
      expect(execFileSync('python3', ['-c', read], { encoding: 'utf8' })).toBe('(4, 32) float32\n');
    }
    const nowhere = join(folder, 'nowhere', 'x.npy');
    const failed = await runCli(['embed', '--text', 'a', '--output', nowhere, ...model]);
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toContain('x.npy": cannot be written (ENOENT');
  });

  test('classify shows bars to people and everything to scripts', async () => {
    const labels = texts.slice(0, 3).flatMap((text) => ['--label', text]);
    const people = await runCli([
      'classify',
      pictures[2] ?? '',
      ...labels,
      '--label',
      texts[3] ?? '',
      ...model,
    ]);
    expect(people.code).toBe(0);
    // The reference's probabilities: 0.930, 0.048, 0.021, 0.0006.
    expect(people.stdout.split('\n').map((line) => line.replace(/^ {2}(.{9}).*?\[/, '$1 ['))).toEqual([
      'a diagram [######################  ]  93.0 %',
      'Two child [#                       ]   4.8 %',
      'a photo o [#                       ]   2.1 %',
      'the green [                        ]   0.1 %',
      '',
    ]);
    const scripts = await runCli([
      ...['classify', ...pictures.slice(0, 2), '--labels', 'a diagram, a photo of a cat.'],
      ...['--json', '--temperature', '2', ...model],
    ]);
    const [first, second] = scripts.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([first.image, second.image]).toEqual(pictures.slice(0, 2));
    expect(first).toMatchObject({
      model: GOLDEN,
      scores: [{ label: 'a diagram' }, { label: 'a photo of a cat.' }],
    });
    const [cat = 0, , diagram = 0] = row('logits_per_image', 0);
    expectClose(
      first.scores.map(({ logit }: { logit: number }) => logit),
      [diagram / 2, cat / 2],
    );
  });

  test('search ranks a folder, and a second one encodes nothing', async () => {
    const photos = join(folder, 'photos');
    await cp(GOLDEN, photos, { recursive: true, filter: (path) => !path.endsWith('.json') });
    await writeFile(join(photos, 'broken.jpg'), 'no picture');
    const cache = join(folder, 'cache');
    // The driver that npm carries lies in the cache folder too.
    await mkdir(cache);
    await symlink(driverFolder(), join(cache, basename(driverFolder())));
    const env = { TESSERA_CACHE: cache };
    const search = (...args: string[]) =>
      runCli(['search', photos, texts[2] ?? '', ...args, ...model], { env });

    const first = await search('--json');
    expect(first.code).toBe(0);
    const report = JSON.parse(first.stdout);
    expect(report).toMatchObject({ folder: photos, query: texts[2], model: GOLDEN, pictures: 3, encoded: 3 });
    const expected = rank(
      [0, 1, 2].map((i) => ({
        path: join(photos, `image_${i}.png`),
        embedding: Float32Array.from(row('image_embeds', i)),
      })),
      Float32Array.from(row('text_embeds', 2)),
    );
    expect(report.results.map(({ path }: { path: string }) => path)).toEqual(
      expected.map(({ path }) => path),
    );
    expectClose(
      report.results.map((result: { similarity: number }) => result.similarity),
      expected.map((result) => result.similarity),
    );
    expect(report.skipped).toEqual([{ path: join(photos, 'broken.jpg'), problem: expect.any(String) }]);
    expect(first.stderr).toMatch(/tessera: left out .*broken\.jpg: .*no picture format read here/);

    expect(JSON.parse((await search('--json')).stdout)).toMatchObject({ pictures: 3, encoded: 0 });
    const people = await search('--top', '1');
    const [best] = expected;
    expect(people.stdout).toBe(`${best?.similarity.toFixed(3)}  ${best?.path}\n`);
  });

  test('Ctrl-C ends with exit code 130', async () => {
    let isSent = false;
    const { code, stderr } = await runCli(
      ['embed', ...Array<string>(200).fill(pictures[0] ?? ''), ...model],
      {
        onStdout(_, child) {
          if (!isSent) isSent = child.kill('SIGINT');
        },
      },
    );
    expect(code).toBe(130);
    expect(stderr).not.toContain('tessera:');
  });
});

function hasNumpy(): boolean {
  try {
    execFileSync('python3', ['-c', 'import numpy'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
