import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseChatLine } from '../../src/cli/chat-line.ts';
import { parseMessages, readMessages } from '../../src/cli/messages-file.ts';
import { modelSource } from '../../src/cli/model-options.ts';
import { generateOptions } from '../../src/cli/sampling-options.ts';

describe('parseMessages', () => {
  test('reads text, parts, and picture paths relative to the file', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'image', image: 'sub/a.png' },
          { type: 'image', image: '/b.png' },
          { type: 'image', image: 'https://example.org/c.png' },
          { type: 'text', text: 'What is it?' },
        ],
      },
    ];
    expect(parseMessages(messages, '/data/talk.json')).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'image', image: '/data/sub/a.png' },
          { type: 'image', image: '/b.png' },
          { type: 'image', image: 'https://example.org/c.png' },
          { type: 'text', text: 'What is it?' },
        ],
      },
    ]);
  });

  test.each([
    [{ role: 'user' }, 'expected a list of messages'],
    [[], 'expected a list of messages'],
    [[{ content: 'x' }], 'message 1 has role missing'],
    [['x'], 'message 1 has role missing'],
    [[{ role: 'user', content: 3 }], 'message 1 has content 3'],
    [
      [
        { role: 'user', content: 'x' },
        { role: 'a', content: [{ type: 'video', video: 'v' }] },
      ],
      'message 2 has the part',
    ],
    [[{ role: 'user', content: [{ type: 'image' }] }], '{"type": "image", "image": PATH}'],
  ])('refuses %j', (json, message) => expect(() => parseMessages(json, 'm.json')).toThrow(message));

  test('names a file that is missing or no JSON', async () => {
    await expect(readMessages('/nowhere/m.json')).rejects.toThrow(
      '--messages "/nowhere/m.json": it can\'t be read (ENOENT)',
    );
    const folder = await mkdtemp(join(tmpdir(), 'tessera-messages-'));
    try {
      await writeFile(join(folder, 'm.json'), '[{"role":');
      await expect(readMessages(join(folder, 'm.json'))).rejects.toThrow('invalid JSON');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test.each([
  ['  How many? ', { kind: 'say', text: 'How many?' }],
  ['', { kind: 'empty' }],
  ['/image a b.png ', { kind: 'image', path: 'a b.png' }],
  ['/reset', { kind: 'reset' }],
  ['/help', { kind: 'help' }],
  ['/quit', { kind: 'quit' }],
  ['/usr/bin is what?', { kind: 'say', text: '/usr/bin is what?' }],
  ['1/2', { kind: 'say', text: '1/2' }],
])('the chat line %j asks for %j', (line, expected) => expect(parseChatLine(line)).toEqual(expected));

test.each([
  ['/quti', 'Did you mean /quit?'],
  ['/image', 'expected /image PATH'],
])('the chat line %j is refused', (line, message) => expect(() => parseChatLine(line)).toThrow(message));

test('options that are not given are left to the checkpoint', () => {
  const none = {
    greedy: false,
    stop: [],
    'max-new-tokens': undefined,
    temperature: undefined,
    'top-k': undefined,
    'top-p': undefined,
    'min-p': undefined,
    'repetition-penalty': undefined,
    seed: undefined,
  };
  expect(generateOptions(none)).toEqual({ greedy: false, stop: [] });
  expect(generateOptions({ ...none, temperature: 0, 'max-new-tokens': 5, seed: 0 })).toEqual({
    greedy: false,
    stop: [],
    temperature: 0,
    maxNewTokens: 5,
    seed: 0,
  });
});

describe('modelSource', () => {
  const terminal = { stderr: process.stderr, signal: new AbortController().signal };

  test('leaves folders, addresses and the default as they are', async () => {
    expect(await modelSource(undefined, terminal)).toBeUndefined();
    expect(await modelSource('models/demo', terminal)).toBe('models/demo');
    expect(await modelSource('https://example.org/m', terminal)).toBe('https://example.org/m');
  });

  test('refuses what is neither a folder nor an id', async () => {
    await expect(modelSource('./no/such/folder', terminal)).rejects.toThrow(
      '--model "./no/such/folder": there is no such folder; expected a checkpoint folder, or a hub id',
    );
  });
});
