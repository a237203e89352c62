/** OpenAI's own client against the server: what it gets is what the reference says. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeOnAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { startServer, type TestServer } from './start-server.ts';

const dataUrl = (path: string): string => `data:image/png;base64,${readFileSync(path).toString('base64')}`;

const QUESTION = 'Describe the image.';

function ask(image: string, question = QUESTION) {
  return {
    model: 'demo',
    temperature: 0,
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'image_url' as const, image_url: { url: image.includes(':') ? image : dataUrl(image) } },
          { type: 'text' as const, text: question },
        ],
      },
    ],
  };
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, 4);
  });
}

describeOnAdapters('the server', (getDevice) => {
  let server: TestServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await startServer(getDevice(), { urls: 'any', embeddings: true });
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  afterAll(() => server.stop());

  const expected = expectedAnswer('scene-02.png', QUESTION);

  test('answers about a picture', async () => {
    const { choices, usage, model, object } = await client.chat.completions.create(
      ask('examples/scene-02.png'),
    );
    expect({ model, object }).toEqual({ model: 'demo', object: 'chat.completion' });
    expect(choices).toMatchObject([
      { message: { role: 'assistant', content: expected.answer }, finish_reason: 'stop', logprobs: null },
    ]);
    expect(usage).toMatchObject({
      prompt_tokens: expected.promptIds.length,
      completion_tokens: expected.answerIds.length,
      total_tokens: expected.promptIds.length + expected.answerIds.length,
    });
    expect(server.ends.at(-1)).toMatchObject({
      status: 200,
      path: '/v1/chat/completions',
      promptTokens: expected.promptIds.length,
      generatedTokens: expected.answerIds.length,
    });
  });

  test('streams, with the tokens used at the end', async () => {
    const stream = await client.chat.completions.create({
      ...ask('examples/scene-02.png'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(expected.answer);
    expect(chunks.length).toBeGreaterThan(5);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { completion_tokens: expected.answerIds.length },
    });
  });

  test('stops at strings and after a number of tokens', async () => {
    const stop = expected.answer.split(' ').slice(3, 5).join(' ');
    const stopped = await client.chat.completions.create({ ...ask('examples/scene-02.png'), stop });
    expect(stopped.choices[0]).toMatchObject({
      message: { content: expected.answer.slice(0, expected.answer.indexOf(stop)) },
      finish_reason: 'stop',
    });
    const cut = await client.chat.completions.create({
      ...ask('examples/scene-02.png'),
      max_completion_tokens: 3,
    });
    expect(cut).toMatchObject({
      choices: [{ finish_reason: 'length' }],
      usage: { completion_tokens: 3 },
    });
  });

  test('gives the log probabilities of tokens', async () => {
    const { choices } = await client.chat.completions.create({
      ...ask('examples/scene-02.png'),
      logprobs: true,
      top_logprobs: 3,
    });
    const content = choices[0]?.logprobs?.content ?? [];
    expect(content).toHaveLength(expected.answerIds.length);
    expect(
      content
        .slice(0, -1)
        .map(({ token }) => token)
        .join('')
        .trim(),
    ).toBe(expected.answer);
    for (const { token, logprob, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(3);
      // Greedy: the token is the likeliest.
      expect(top_logprobs[0]).toMatchObject({ token, logprob });
      expect(top_logprobs.map((top) => top.logprob)).toEqual(
        top_logprobs.map((top) => top.logprob).sort((a, b) => b - a),
      );
      expect(top_logprobs.reduce((sum, top) => sum + Math.exp(top.logprob), 0)).toBeLessThanOrEqual(1 + 1e-9);
    }
  });

  test('keeps answers to a JSON schema, and to JSON', async () => {
    const schema = {
      type: 'object',
      properties: {
        thing: { enum: ['a cat', 'a dog', 7] },
        background: { anyOf: [{ type: 'boolean' }, { type: 'null' }], description: 'Whether there is one.' },
        name: { const: 'scène "2"' },
      },
      required: ['thing', 'background', 'name'],
      additionalProperties: false,
    };
    for (const more of [{}, { temperature: 1, seed: 5, repetition_penalty: 1.1 }]) {
      const { choices } = await client.chat.completions.create({
        ...ask('examples/scene-02.png'),
        response_format: { type: 'json_schema', json_schema: { name: 'scene', schema } },
        ...more,
      });
      expect(choices[0]).toMatchObject({ finish_reason: 'stop' });
      const answer = JSON.parse(choices[0]?.message.content ?? '') as Readonly<Record<string, unknown>>;
      expect(Object.keys(answer)).toEqual(['thing', 'background', 'name']);
      expect(['a cat', 'a dog', 7]).toContain(answer.thing);
      expect([true, false, null]).toContain(answer.background);
      expect(answer.name).toBe('scène "2"');
    }
    const free = await client.chat.completions.create({
      ...ask('examples/scene-02.png'),
      response_format: { type: 'json_object' },
      max_completion_tokens: 5,
    });
    expect(free.choices[0]?.message.content).toMatch(/^[{[]/);
  });

  test('a seed repeats a sampled answer', async () => {
    const request = { model: 'demo', temperature: 2, max_tokens: 16 };
    const messages = [{ role: 'user' as const, content: 'bus of and on' }];
    const texts: (string | null | undefined)[] = [];
    for (const seed of [7, 7, -8, 9]) {
      const { choices } = await client.chat.completions.create({ ...request, messages, seed });
      texts.push(choices[0]?.message.content);
    }
    expect(texts[0]).toBe(texts[1]);
    expect(new Set(texts).size).toBeGreaterThan(1);
  });

  test('fetches pictures by address, and sees several', async () => {
    const host = createServer((request, response) =>
      response.end(readFileSync(`examples${new URL(request.url ?? '', 'http://x').pathname}`)),
    );
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = host.address() as AddressInfo;
      const answer = await client.chat.completions.create(ask(`http://127.0.0.1:${port}/scene-02.png`));
      expect(answer.choices[0]?.message.content).toBe(expected.answer);
    } finally {
      host.close();
    }
    const [first, second] = ['examples/scene-02.png', 'examples/scene.png'].map(
      (path) => ask(path).messages[0]?.content[0],
    );
    const both = await client.chat.completions.create({
      model: 'demo',
      temperature: 0,
      max_tokens: 4,
      messages: [
        {
          role: 'user',
          content: [...[first, second].flatMap((part) => part ?? []), { type: 'text', text: QUESTION }],
        },
      ],
    });
    // 64 tokens a picture.
    expect((both.usage?.prompt_tokens ?? 0) - expected.promptIds.length).toBeGreaterThanOrEqual(64);
  });

  test('embeds texts and pictures as the reference does', async () => {
    const { texts } = readGoldenJson<{ texts: string[] }>('clip/reference.json');
    const tensors = readGoldenTensors('clip/reference.safetensors');
    const rowOf = (name: string, i: number): number[] => {
      const { data, shape } = tensors(name);
      const width = shape[1] ?? 0;
      return [...data.slice(i * width, (i + 1) * width)];
    };
    const { data } = await client.embeddings.create({ model: 'clip', input: texts.slice(0, 2) });
    expect(data).toHaveLength(2);
    data.forEach(({ embedding, index }) => {
      expectClose(embedding, rowOf('text_embeds', index));
    });
    const image = { type: 'image_url', image_url: { url: dataUrl('test/goldens/clip/image_0.png') } };
    for (const encoding_format of ['float', 'base64'] as const) {
      const response = await client.post<{ data: { embedding: number[] | string }[] }>('/embeddings', {
        body: { model: 'clip', input: [image, texts[1]], encoding_format },
      });
      const [ofImage] = response.data.map(({ embedding }) =>
        typeof embedding === 'string'
          ? [...new Float32Array(Uint8Array.from(Buffer.from(embedding, 'base64')).buffer)]
          : embedding,
      );
      expectClose(ofImage ?? [], rowOf('image_embeds', 0));
    }
  });

  test('lists its models', async () => {
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(['demo', 'clip']);
    expect(await client.models.retrieve('clip')).toMatchObject({ id: 'clip', object: 'model' });
    await expect(client.models.retrieve('gpt')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });
});
