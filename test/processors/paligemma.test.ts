import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readAssets } from '../../src/generate/checkpoint-assets.ts';
import type { Picture } from '../../src/image/picture.ts';
import type { Medium, Processor } from '../../src/processors/processor.ts';
import type { Message } from '../../src/text/messages.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';
import { withJson } from '../with-json.ts';

const FOLDER = fileURLToPath(goldenPath('paligemma'));
const picture: Picture = { width: 2, height: 1, data: new Uint8Array(6) };
const medium: Medium = { kind: 'image', key: null, picture };
const image = (count: number): string => '<image>'.repeat(16 * count);

async function processorOf(changed: Readonly<Record<string, unknown>> = {}): Promise<Processor> {
  const { createProcessor } = await readAssets(await withJson(FOLDER, changed));
  if (!createProcessor) throw new Error('PaliGemma has a processor');
  return createProcessor();
}

describe('the processor of PaliGemma', () => {
  test.for([
    ['<image>caption en', 1, `${image(1)}<bos>caption en\n`],
    ['caption en', 1, `${image(1)}<bos>caption en\n`],
    ['caption en', 2, `${image(2)}<bos>caption en\n`],
    ['<image><image>which?', 2, `${image(2)}<bos>which?\n`],
    ['one <image> two <image> which?', 2, `one ${image(1)} two ${image(1)}<bos> which?\n`],
    ['', 1, `${image(1)}<bos>\n`],
    ['caption en', 0, '<bos>caption en\n'],
  ] as const)('%j with %i pictures', async ([text, count, expanded]) => {
    const processor = await processorOf();
    const media = processor.process(new Array<Medium>(count).fill(medium));
    expect(processor.expand(text, media)).toBe(expanded);
  });

  test('writes a message of the user, and no conversation', async () => {
    const { render } = await processorOf();
    const content = [{ type: 'image' }, { type: 'text', text: 'caption en' }] as const;
    expect(render?.([{ role: 'user', content }])).toBe('<image>caption en');
    expect(render?.([{ role: 'user', content: 'caption en' }])).toBe('caption en');
    const refused: readonly (readonly Message[])[] = [
      [],
      [{ role: 'system', content: 'be brief' }],
      [
        { role: 'user', content },
        { role: 'assistant', content: 'a cat' },
        { role: 'user', content: 'and now?' },
      ],
    ];
    for (const messages of refused) {
      expect(() => render?.(messages)).toThrow('PaliGemma answers one message');
    }
  });

  test('adds no BOS of the tokenizer to its own', async () => {
    // As the tokenizers of published checkpoints are.
    const json = readGoldenJson<Readonly<Record<string, unknown>>>('paligemma/tokenizer.json');
    const bos = { SpecialToken: { id: '<bos>', type_id: 0 } };
    const sequence = { Sequence: { id: 'A', type_id: 0 } };
    const post_processor = {
      type: 'TemplateProcessing',
      single: [bos, sequence],
      pair: [bos, sequence],
      special_tokens: { '<bos>': { id: '<bos>', ids: [2], tokens: ['<bos>'] } },
    };
    const files = await withJson(FOLDER, { 'tokenizer.json': { ...json, post_processor } });
    const { createProcessor, tokenizer } = await readAssets(files);
    const text = '<image><bos>caption en\n';
    const ids = createProcessor?.().encode?.(text, 'plain') ?? [];
    expect(ids.filter((id) => id === 2)).toHaveLength(1);
    expect(tokenizer.encode(text, { addSpecialTokens: true })).toEqual([2, ...ids]);
  });

  test('opens the whole prompt to each of its tokens', async () => {
    const { spans } = await processorOf();
    expect(spans?.([1573, 2, 300], [])).toEqual(Uint32Array.of(0, 3, 0, 3, 0, 3));
  });

  test.for([
    [{ image_seq_length: 9 }, '"image_seq_length" is 9, but the vision tower has 16 patches'],
    [{ image_seq_length: 'many' }, '"image_seq_length" is "many"; expected a positive integer'],
  ] as const)('refuses %j', async ([changed, message]) => {
    const file = 'preprocessor_config.json';
    const json = readGoldenJson<object>(`paligemma/${file}`);
    await expect(processorOf({ [file]: { ...json, ...changed } })).rejects.toThrow(message);
  });

  test('refuses a tokenizer without BOS', async () => {
    await expect(processorOf({ 'tokenizer_config.json': {} })).rejects.toThrow('names no "bos_token"');
  });

  test('takes a video as pictures in a row, each with the tokens of one', async () => {
    const processor = await processorOf();
    const video = { width: 1, height: 1, frameCount: 9, fps: 1, durationSeconds: 9, async *frames() {} };
    const clip: Medium = { kind: 'video', key: null, video, sampling: { numFrames: 3 } };
    const media = processor.process([clip]);
    expect(media.map(({ layout }) => [layout.tiles, layout.tokens])).toEqual([[3, 48]]);
    expect(media[0]?.tileSeconds).toEqual([0, 3, 6]);
    expect(processor.expand('what?', media)).toMatch(/^(<image>){48}<bos>what\?\n$/);
  });
});
