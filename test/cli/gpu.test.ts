/** The program as a process with the built-in model, on the adapter that every machine has. */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { runCli } from './run-cli.ts';

const adapter = testAdapters().at(-1);
const onAdapter = ['--adapter', adapter ?? 'none'];
const SCENE = 'examples/scene-02.png';
const question = 'What is in the picture?';

const { answer, answerIds, promptIds } = expectedAnswer('scene-02.png', question);

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

  test('chat answers each piped line', async () => {
    const lines = await runCli(['chat', '--greedy', ...onAdapter], {
      input: `/image ${SCENE}\n${question}\n\n/reset\n/image ${SCENE}\n${question}\n/quit\nnot read\n`,
    });
    expect(lines).toMatchObject({ code: 0, stdout: `${answer}\n${answer}\n` });
    expect(lines.stderr).toContain('The conversation is forgotten.');
  });

  test('Ctrl-C ends an answer with exit code 130', async () => {
    // At this temperature all tokens are as good as equally likely: the answer would go on for long.
    const endless = ['--temperature', '1000', '--top-k', '0', '--seed', '1', '--max-new-tokens', '400'];
    const { code, stdout, stderr } = await runCli(['describe', SCENE, ...endless, ...onAdapter], {
      onStdout: (_, child) => child.kill('SIGINT'),
    });
    expect(code).toBe(130);
    expect(stdout).not.toBe('');
    expect(stderr).not.toContain('tessera:');
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
