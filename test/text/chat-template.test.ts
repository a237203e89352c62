import { describe, expect, it } from 'vitest';
import { ConfigError, InputError } from '../../src/core/errors.ts';
import { createChatTemplate, findChatTemplate } from '../../src/text/chat-template.ts';
import type { Message } from '../../src/text/messages.ts';
import { encodePrompt } from '../../src/text/prompt.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { readGoldenTemplate, readGoldenTokenizer } from './read-tokenizer.ts';

type Run = {
  readonly name: string;
  readonly messages?: readonly Message[];
  readonly prompt?: string;
  readonly prompt_text?: string;
};
const runsOf = (golden: string): readonly Run[] =>
  readGoldenJson<{ runs: readonly Run[] }>(`${golden}/reference.json`).runs;
const inputIds = (golden: string, run: string): number[] => [
  ...readGoldenTensors(`${golden}/reference.safetensors`)(`${run}.inputs.input_ids`).data,
];

describe.each(['llava15', 'llava_linear'])('a conversation with a picture: %s', (golden) => {
  const tokenizer = readGoldenTokenizer(golden);
  const template = createChatTemplate(readGoldenTemplate(golden), tokenizer);

  it.each(runsOf(golden))('$name becomes the reference prompt and ids', ({ name, messages = [], prompt }) => {
    const rendered = template.render(messages);
    expect(rendered).toBe(prompt);
    const expanded = rendered.replaceAll('<image>', '<image>'.repeat(16));
    const ids = encodePrompt(tokenizer, expanded, 'multimodal-chat');
    expect(ids).toEqual(inputIds(golden, name));
  });

  it('never looks into a picture that lies in memory', () => {
    const refuse = (): never => expect.fail('the template read a picture');
    const image = new Proxy({}, { get: refuse, has: refuse, ownKeys: refuse });
    const ask = (part: object) =>
      template.render([{ role: 'user', content: [part, { type: 'text', text: 'What is it?' }] } as Message]);
    expect(ask({ type: 'image', image })).toBe(ask({ type: 'image' }));
  });

  it('takes content that is plain text', () => {
    expect(template.render([{ role: 'user', content: 'Hello' }])).toBe('USER: Hello ASSISTANT:');
  });

  it('ends without the assistant when asked', () => {
    const messages = [{ role: 'user', content: 'Hello' }];
    expect(template.render(messages, { addGenerationPrompt: false })).toBe('USER: Hello ');
  });
});

describe.each(['llama3_text', 'qwen2_text'])('a text model: %s', (golden) => {
  const tokenizer = readGoldenTokenizer(golden);
  const template = createChatTemplate(readGoldenTemplate(golden), tokenizer);
  const runs = runsOf(golden);

  it.each(runs.filter((run) => run.messages))('$name becomes the reference prompt and ids', (run) => {
    const rendered = template.render(run.messages ?? []);
    expect(rendered).toBe(run.prompt_text);
    expect(encodePrompt(tokenizer, rendered, 'chat')).toEqual(inputIds(golden, run.name));
  });

  it.each(runs.filter((run) => run.prompt !== undefined))(
    '$name, a plain prompt, becomes the reference ids',
    (run) => {
      expect(encodePrompt(tokenizer, run.prompt ?? '', 'plain')).toEqual(inputIds(golden, run.name));
    },
  );

  it('takes content that is a list of text parts', () => {
    const content = [
      { type: 'text', text: 'Hel' },
      { type: 'text', text: 'lo' },
    ] as const;
    expect(template.render([{ role: 'user', content }])).toBe(
      template.render([{ role: 'user', content: 'Hello' }]),
    );
  });

  it('refuses a picture, for which its template has no place', () => {
    const messages = [{ role: 'user', content: [{ type: 'image' }] }] as const;
    expect(() => template.render(messages)).toThrow(InputError);
    expect(() => template.render(messages)).toThrow(/has no place for pictures/);
  });
});

describe('encodePrompt', () => {
  const tokenizer = readGoldenTokenizer('llava15');
  const withoutBos = tokenizer.encode('Hi', { addSpecialTokens: false });

  it('puts BOS before a prompt exactly once', () => {
    expect(encodePrompt(tokenizer, 'Hi', 'plain')).toEqual([1, ...withoutBos]);
    expect(encodePrompt(tokenizer, 'Hi', 'multimodal-chat')).toEqual([1, ...withoutBos]);
    expect(encodePrompt(tokenizer, '<s>Hi', 'multimodal-chat').filter((id) => id === 1)).toHaveLength(1);
    expect(encodePrompt(tokenizer, 'Hi', 'chat')).toEqual(withoutBos);
  });
});

describe('findChatTemplate', () => {
  const none = { jinja: null, json: null, tokenizerConfig: {} };

  it('prefers the file of its own, then the JSON, then the tokenizer’s config', () => {
    const all = { jinja: 'a', json: { chat_template: 'b' }, tokenizerConfig: { chat_template: 'c' } };
    expect(findChatTemplate(all)).toBe('a');
    expect(findChatTemplate({ ...all, jinja: null })).toBe('b');
    expect(findChatTemplate({ ...all, jinja: null, json: null })).toBe('c');
    expect(findChatTemplate(none)).toBeNull();
  });

  it('takes the default of named templates, and refuses when there is none', () => {
    const named = (...names: string[]) => ({
      ...none,
      tokenizerConfig: { chat_template: names.map((name) => ({ name, template: `of ${name}` })) },
    });
    expect(findChatTemplate(named('tool_use', 'default'))).toBe('of default');
    expect(() => findChatTemplate(named('tool_use'))).toThrow(/none of them "default"/);
  });
});

describe('createChatTemplate', () => {
  const tokenizer = readGoldenTokenizer('llava15');

  it('says what to do when a checkpoint has no template', () => {
    expect(() => createChatTemplate(null, tokenizer)).toThrow(ConfigError);
    expect(() => createChatTemplate(null, tokenizer)).toThrow(/Give a plain prompt instead of messages/);
  });

  it('names the fault of a template that is not Jinja', () => {
    expect(() => createChatTemplate('{% if %}', tokenizer)).toThrow(/^chat template: it is not valid Jinja/);
  });

  it('passes on what the template itself objects to', () => {
    const template = createChatTemplate("{{ raise_exception('roles must alternate') }}", tokenizer);
    expect(() => template.render([{ role: 'user', content: 'x' }])).toThrow(
      /refuses these messages \(roles must alternate\)/,
    );
  });

  it('gives templates the special tokens, null for tools, and the caller’s variables', () => {
    const source = '{{ bos_token }}{{ eos_token }}{{ tools is none }}{{ mood }}{{ messages[0].content }}';
    const template = createChatTemplate(source, tokenizer);
    expect(template.render([{ role: 'user', content: '!' }], { variables: { mood: 'calm' } })).toBe(
      '<s></s>truecalm!',
    );
  });
});
