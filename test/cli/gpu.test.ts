/** The program as a process with the built-in model, on the adapter that every machine has. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeSafetensors, type TensorData } from '../../src/weights/write-safetensors.ts';
import { testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { runCli } from './run-cli.ts';

const adapter = testAdapters().at(-1);
const onAdapter = ['--adapter', adapter ?? 'none'];
const SCENE = 'examples/scene-02.png';
const question = 'What is in the picture?';

const { answer, answerIds, promptIds } = expectedAnswer('scene-02.png', question);

/** Width of the built-in model's decoder, and its vocabulary. */
const C = 192;
const V = 768;

const zeros = (name: string, shape: readonly number[]): TensorData => ({
  name,
  dtype: 'F32',
  shape,
  bytes: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)),
});

describe.skipIf(adapter === undefined)(`tessera on ${adapter}`, () => {
  test('describe --json gives the reference its answer, and nothing else on stdout', async () => {
    const { code, stdout, stderr } = await runCli([
      ...['describe', SCENE, '--prompt', question, '--model', 'models/demo'],
      ...['--greedy', '--max-new-tokens', '32', '--json', '--stats', ...onAdapter],
    ]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      model: 'models/demo',
      text: answer,
      tokenIds: answerIds,
      promptTokenIds: promptIds,
      finishReason: 'stop',
      stats: { promptTokens: promptIds.length, generatedTokens: answerIds.length },
    });
    expect(result.adapter).toMatch(/./);
    for (const name of ['loadMs', 'firstTokenMs', 'totalMs', 'peakGpuBytes']) {
      expect(result.stats[name], name).toBeGreaterThan(0);
    }
    expect(stderr).toContain('peak GPU memory');
  });

  test('describe --messages reads a conversation, describe - a picture from stdin', async () => {
    const run = await runCli(['describe', '-', '--prompt', question, '--greedy', ...onAdapter], {
      input: await readFile(SCENE),
    });
    expect(run).toMatchObject({ code: 0, stdout: `${answer}\n` });
    const messages = await runCli([
      'describe',
      '--messages',
      'test/cli/messages.json',
      '--greedy',
      ...onAdapter,
    ]);
    expect(messages).toMatchObject({ code: 0, stdout: `${answer}\n` });
  });

  test('--lora merges an adapter into the model, and says what is wrong with one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tessera-lora-'));
    try {
      const ask = (...more: string[]) =>
        runCli([
          'describe',
          SCENE,
          '--prompt',
          question,
          '--greedy',
          '--lora',
          folder,
          ...onAdapter,
          ...more,
        ]);
      await writeFile(join(folder, 'adapter_config.json'), '{"peft_type": "LORA", "r": 1, "lora_alpha": 1}');
      const head = 'language_model.lm_head';
      const pair = [
        zeros(`base_model.model.${head}.lora_A.weight`, [1, C]),
        zeros(`base_model.model.${head}.lora_B.weight`, [V, 1]),
      ];
      const file = join(folder, 'adapter_model.safetensors');
      await writeFile(file, encodeSafetensors(pair));
      const tied = await ask();
      expect(tied).toMatchObject({ code: 1, stdout: '' });
      expect(tied.stderr).toContain('A head that is tied to the embeddings cannot be adapted by itself');

      // A last norm of zeros makes all tokens equally likely.
      const norm = 'base_model.model.language_model.model.norm.weight';
      await writeFile(file, encodeSafetensors([zeros(norm, [C])]));
      const changed = await ask('--max-new-tokens', '3');
      expect(changed.code).toBe(0);
      expect(changed.stdout).not.toContain(answer.slice(0, 5));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a folder of frames and a clip are videos, of which a frame answers as its picture does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tessera-frames-'));
    try {
      for (const name of ['f1.png', 'f2.png', 'f10.png']) await copyFile(SCENE, join(folder, name));
      const ask = ['--prompt', question, '--greedy', ...onAdapter];
      const run = await runCli(['describe', folder, '--pool', 'max', ...ask]);
      expect(run).toMatchObject({ code: 0, stdout: `${answer}\n` });
    } finally {
      await rm(folder, { recursive: true });
    }
    const clip = 'test/video/clips/vp9.webm';
    const run = await runCli([
      'describe',
      clip,
      '--frames',
      '4',
      '--max-new-tokens',
      '2',
      '--json',
      ...onAdapter,
    ]);
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout).promptTokenIds.length).toBeGreaterThan(4 * 64);
    const messages = JSON.stringify([
      {
        role: 'user',
        content: [
          { type: 'video', video: resolve(clip), numFrames: 20 },
          { type: 'text', text: 'x' },
        ],
      },
    ]);
    const file = join(tmpdir(), `tessera-messages-${process.pid}.json`);
    await writeFile(file, messages);
    const tooLong = await runCli(['describe', '--messages', file, ...onAdapter]);
    await rm(file);
    expect(tooLong.code).toBe(1);
    expect(tooLong.stderr).toContain(
      "1280 of them for 1 pictures or videos, do not fit the model's context of 512",
    );
  });

  test('chat answers each piped line', async () => {
    const lines = await runCli(['chat', '--greedy', '--frames', '1', ...onAdapter], {
      input: `/image ${SCENE}\n${question}\n\n/reset\n/video examples\n${question}\n/quit\nnot read\n`,
    });
    const { answer: ofFirst } = expectedAnswer('scene-01.png', question);
    expect(lines).toMatchObject({ code: 0, stdout: `${answer}\n${ofFirst}\n` });
    expect(lines.stderr).toContain('The conversation is forgotten.');
  });

  describe('Ctrl-C', () => {
    // At this temperature all tokens are as good as equally likely: the answer would go on for long.
    const endless = ['--temperature', '1000', '--top-k', '0', '--seed', '1', '--max-new-tokens', '400'];

    test('ends an answer with exit code 130', async () => {
      let isSent = false;
      const { code, stdout, stderr } = await runCli(['describe', SCENE, ...endless, ...onAdapter], {
        onStdout(_, child) {
          if (!isSent) isSent = child.kill('SIGINT');
        },
      });
      expect(code).toBe(130);
      expect(stdout).not.toBe('');
      expect(stderr).not.toContain('tessera:');
    });

    test('again and again ends it at once, by the signal', async () => {
      let ending = '';
      await runCli(['describe', SCENE, ...endless, ...onAdapter], {
        onStart: (child) => child.on('exit', (code, signal) => (ending = signal ?? `${code}`)),
        onStdout(_, child) {
          const again = setInterval(() => child.kill('SIGINT') || clearInterval(again), 1);
        },
      });
      expect(['SIGINT', '130']).toContain(ending);
    });
  });

  test('an adapter that is not there is an error, not another adapter', async () => {
    const { code, stdout, stderr } = await runCli(['describe', SCENE, '--adapter', 'voodoo2']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('tessera: requestDevice: adapter "voodoo2" was asked for, but there is');
    expect(stderr).not.toContain('\n    at ');
  });

  test('a language model refuses pictures', async () => {
    const { code, stderr } = await runCli([
      ...['describe', SCENE, '--model', 'test/goldens/llama3_text', ...onAdapter],
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/tessera: .*(language model|no place for pictures|has none)/);
  });

  test('doctor names the adapter and why it would be used', async () => {
    const { code, stdout } = await runCli(['doctor', '--json', ...onAdapter]);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    const used = report.adapters.filter((seen: { wouldBeUsed: boolean }) => seen.wouldBeUsed);
    expect(used).toHaveLength(1);
    expect(used[0].why).toBe(`it is the "${adapter}" that was asked for`);
  });
});
