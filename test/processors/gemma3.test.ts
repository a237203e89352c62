import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { type ProcessorOverrides, readAssets } from '../../src/generate/checkpoint-assets.ts';
import { buildPrompt } from '../../src/generate/prompt.ts';
import type { Picture } from '../../src/image/picture.ts';
import type { Medium, Processor } from '../../src/processors/processor.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';
import { withJson } from '../with-json.ts';

const FOLDER = fileURLToPath(goldenPath('gemma3'));
const SEQUENCE = `\n\n<start_of_image>${'<image_soft_token>'.repeat(9)}<end_of_image>\n\n`;
const IMAGE = 461;

const pictureOf = (width: number, height: number): Picture => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 251);
  return { width, height, data };
};
const mediumOf = (picture: Picture): Medium => ({ kind: 'image', key: null, picture });

async function processorOf(
  changed: Readonly<Record<string, unknown>> = {},
  overrides: ProcessorOverrides = {},
): Promise<Processor> {
  const { createProcessor } = await readAssets(await withJson(FOLDER, changed));
  if (!createProcessor) throw new Error('Gemma 3 has a processor');
  return createProcessor(overrides);
}

describe('the processor of Gemma 3', () => {
  test('writes a picture between two tokens and empty lines', async () => {
    const processor = await processorOf();
    const media = processor.process([mediumOf(pictureOf(3, 2)), mediumOf(pictureOf(2, 3))]);
    const text = 'a<start_of_image>b<start_of_image>';
    expect(processor.expand(text, media)).toBe(`a${SEQUENCE}b${SEQUENCE}`);
    expect(() => processor.expand('no place', media)).toThrow(
      '0 image placeholders but 2 pictures were given',
    );
  });

  test('opens each picture to itself, from each of its tokens on', async () => {
    const { spans } = await processorOf();
    const ids = [2, 9, IMAGE, IMAGE, IMAGE, 10, 270, IMAGE, IMAGE];
    const expected = [0, 0, 0, 0, 2, 5, 3, 5, 4, 5, 0, 0, 0, 0, 7, 9, 8, 9];
    expect(spans?.(ids, [])).toEqual(Uint32Array.from(expected));
  });

  test('takes BOS from the template alone', async () => {
    const assets = await readAssets(await folderFiles(FOLDER));
    const messages = [{ role: 'user', content: 'What is shown?' }];
    const { tokenIds } = await buildPrompt(assets, { messages });
    expect(tokenIds.filter((id) => id === 2)).toHaveLength(1);
    const text = '<bos><start_of_turn>user\nWhat is shown?<end_of_turn>\n<start_of_turn>model\n';
    const twice = assets.tokenizer.encode(text, { addSpecialTokens: true });
    expect(twice).toEqual([2, ...tokenIds]);
  });

  test('names tokens as the tokenizer does, else by the ids of the config', async () => {
    const { boi_token_index, eoi_token_index, ...config } =
      readGoldenJson<Readonly<Record<string, unknown>>>('gemma3/config.json');
    const { boi_token, eoi_token, image_token, ...tokenizer } = readGoldenJson<
      Readonly<Record<string, unknown>>
    >('gemma3/tokenizer_config.json');
    const extra = { ...tokenizer, extra_special_tokens: { boi_token, eoi_token, image_token } };
    const spellings = [
      { 'config.json': config },
      { 'config.json': config, 'tokenizer_config.json': extra },
      { 'tokenizer_config.json': tokenizer },
    ];
    for (const spelling of spellings) {
      const processor = await processorOf(spelling);
      expect(processor.expand('<start_of_image>', processor.process([mediumOf(pictureOf(2, 2))]))).toBe(
        SEQUENCE,
      );
    }
    const neither = { 'config.json': config, 'tokenizer_config.json': tokenizer };
    await expect(processorOf(neither)).rejects.toThrow(
      '"boi_token_index" is 255999, which the tokenizer does not have',
    );
  });

  test('shows parts of a long picture when a call asks for it', async () => {
    const asked = { do_pan_and_scan: true, pan_and_scan_min_crop_size: 8 };
    const processor = await processorOf({}, asked);
    const [long, square] = processor.process([mediumOf(pictureOf(50, 20)), mediumOf(pictureOf(20, 20))]);
    if (!long || !square) throw new Error('two pictures were processed');
    expect(long.layout).toMatchObject({ tiles: 4, tokens: 36 });
    expect(square.layout).toMatchObject({ tiles: 1, tokens: 9 });
    expect(long.areas?.[1]).toEqual([0, 0, 17 / 50, 1]);
    expect(processor.expand('<start_of_image>', [long])).toBe(
      `Here is the original image ${SEQUENCE} and here are some crops to help you see better ${SEQUENCE} ${SEQUENCE} ${SEQUENCE}`,
    );
    expect(processor.expand('<start_of_image>', [square])).toBe(SEQUENCE);
    const tiles: Float32Array[] = [];
    for await (const tile of long.tiles()) tiles.push(tile);
    expect(tiles.map(({ length }) => length)).toEqual(new Array(4).fill(3 * 48 * 48));
    expect(tiles[1]).not.toEqual(tiles[0]);
  });

  test('shows the frames of a video one after another', async () => {
    const processor = await processorOf({}, { do_pan_and_scan: true, pan_and_scan_min_crop_size: 8 });
    const video = { width: 50, height: 20, frameCount: 9, fps: 1, durationSeconds: 9, async *frames() {} };
    const clip: Medium = { kind: 'video', key: null, video, sampling: { numFrames: 3 } };
    const media = processor.process([clip]);
    expect(media.map(({ layout }) => [layout.tiles, layout.tokens])).toEqual([[3, 27]]);
    expect(processor.expand('<start_of_image>', media)).toBe(SEQUENCE.repeat(3));
  });

  test('shows no parts because a file says so, which the reference overrules', async () => {
    const file = 'preprocessor_config.json';
    const json = {
      ...readGoldenJson<object>(`gemma3/${file}`),
      do_pan_and_scan: true,
      pan_and_scan_min_crop_size: 8,
    };
    const processor = await processorOf({ [file]: json });
    expect(processor.process([mediumOf(pictureOf(50, 20))])[0]?.layout.tiles).toBe(1);
  });

  test.for([
    [
      'processor_config.json',
      { image_seq_length: 4 },
      '"image_seq_length" is 4, but the model makes 9 tokens',
    ],
    [
      'preprocessor_config.json',
      { image_processor_type: 'VitImageProcessor' },
      'expected one of CLIPImageProcessor',
    ],
  ] as const)('refuses %s with %j', async ([file, changed, message]) => {
    const json = { ...readGoldenJson<object>(`gemma3/${file}`), ...changed };
    await expect(processorOf({ [file]: json })).rejects.toThrow(message);
  });
});
