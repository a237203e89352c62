/** `tessera serve` as a process. */
import { expect, test } from 'vitest';
import { testAdapters } from '../adapters.ts';
import { runCli } from '../cli/run-cli.ts';

const adapter = testAdapters()[0];

test.skipIf(adapter === undefined)('serves until SIGTERM, and ends in order', async () => {
  const options = ['--adapter', adapter ?? '', '--port', '0', '--slots', '2', '--context', '128'];
  const run = await runCli(['serve', ...options, '--log', 'json'], {
    env: { TESSERA_API_KEYS: 'a-key-of-enough-length, another-key-of-length' },
    onStart(child) {
      let said = '';
      child.stderr?.on('data', async (text: string) => {
        const before = said;
        said += text;
        const line = /^Serving demo on .* at (http\S+)\/v1$/m;
        const [, url] = line.exec(said) ?? [];
        if (!url || line.test(before)) return;
        const ask = (authorization: string): Promise<Response> =>
          fetch(`${url}/v1/models`, { headers: { authorization } });
        await ask('Bearer wrong');
        await ask('Bearer another-key-of-length');
        child.kill('SIGTERM');
      });
    },
  });
  expect(run).toMatchObject({ code: 0, stdout: '' });
  const lines = run.stderr.split('\n').filter((line) => line.startsWith('{'));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { path: '/v1/models', status: 401 },
    { path: '/v1/models', status: 200, client: expect.stringMatching(/^key-/) },
  ]);
  expect(run.stderr).toContain('Shutting down; waiting up to 30.0 s for what runs');
});

test('says what is wrong with its options before a model is loaded', async () => {
  const short = await runCli(['serve'], { env: { TESSERA_API_KEYS: 'short' } });
  expect(short).toMatchObject({ code: 1, stdout: '' });
  expect(short.stderr).toContain('api keys: one has 5 characters; expected at least 16');
  const missing = await runCli(['serve', '--api-key-file', 'no-such-file']);
  expect(missing.stderr).toContain('api keys "no-such-file": it cannot be read');
});
