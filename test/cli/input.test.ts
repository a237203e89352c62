import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseChatLine } from '../../src/cli/chat-line.ts';
import { parseMessages, readMessages } from '../../src/cli/messages-file.ts';
import { modelSource } from '../../src/cli/model-options.ts';
import { generateOptions } from '../../src/cli/sampling-options.ts';
import { parsePooling } from '../../src/cli/video-options.ts';
import { looksLikeVideo } from '../../src/video/sniff.ts';

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
          { type: 'video', video: 'clip.mp4', numFrames: 4, pooling: { kind: 'mean', window: 2 } },
          { type: 'video', video: ['1.png', '/2.png'] },
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
          { type: 'video', video: '/data/clip.mp4', numFrames: 4, pooling: { kind: 'mean', window: 2 } },
          { type: 'video', video: ['/data/1.png', '/2.png'] },
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
        { role: 'a', content: [{ type: 'video', video: [] }] },
      ],
      'message 2 has the part',
    ],
    [[{ role: 'a', content: [{ type: 'video', video: 'v', fps: '2' }] }], 'expected numbers "numFrames"'],
    [
      [{ role: 'a', content: [{ type: 'video', video: 'v', frames: 2 }] }],
      'has a video part with {"frames":2}',
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
  ['/video clip.mp4', { kind: 'video', path: 'clip.mp4' }],
  ['/reset', { kind: 'reset' }],
  ['/help', { kind: 'help' }],
  ['/quit', { kind: 'quit' }],
  ['/usr/bin is what?', { kind: 'say', text: '/usr/bin is what?' }],
  ['1/2', { kind: 'say', text: '1/2' }],
])('the chat line %j asks for %j', (line, expected) => expect(parseChatLine(line)).toEqual(expected));

test.each([
  ['/quti', 'Did you mean /quit?'],
  ['/image', 'expected /image PATH'],
  ['/video', 'no video was named; expected /video PATH'],
])('the chat line %j is refused', (line, message) => expect(() => parseChatLine(line)).toThrow(message));

test.each([
  ['mean', { kind: 'mean' }],
  ['mean:4', { kind: 'mean', window: 4 }],
  ['attention:10', { kind: 'attention', window: 10 }],
])('--pool %s is %j', (text, expected) => expect(parsePooling(text)).toEqual(expected));

test.each(['', 'sum', 'mean:', 'mean:0', 'mean:1.5', 'mean:-2', 'mean:2:2', 'mean:1e3'])(
  '--pool "%s" is refused',
  (text) =>
    expect(() => parsePooling(text)).toThrow(`--pool "${text}": expected mean, max, stride, attention`),
);

test('a film begins otherwise than a picture in the same container', () => {
  const head = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  expect(
    ['\0\0\0\x20ftypisom', '\0\0\0\x14ftypqt  ', '\0\0\0\x08wide\0\0\0\0', '\x1a\x45\xdf\xa3']
      .map(head)
      .map(looksLikeVideo),
  ).toEqual([true, true, true, true]);
  expect(
    ['\0\0\0\x20ftypavif', '\0\0\0\x20ftypheic', 'GIF89a', '\x89PNG\r\n', ''].map(head).map(looksLikeVideo),
  ).toEqual([false, false, false, false, false]);
});

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
