import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ContrastiveModel } from '../../src/embed/contrastive-model.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath, readGoldenJson, readGoldenTensors } from '../read-golden.ts';

for (const name of ['clip', 'siglip'] as const) {
  describeOnAdapters(`capture of ${name}`, (getDevice) => {
    let model: ContrastiveModel;
    beforeAll(async () => {
      model = await loadContrastiveModel(fileURLToPath(goldenPath(name)), {
        device: getDevice(),
        dtype: 'f32',
      });
    });
    afterAll(() => model.dispose());

    const { images, texts } = readGoldenJson<{ images: string[]; texts: string[] }>(`${name}/reference.json`);
    const request = { image: goldenPath(`${name}/${images[0]}`), text: texts[0] ?? '' };

    test('reads what the reference recorded, and leaves nothing on the device', async () => {
      const golden = readGoldenTensors(`${name}/reference.safetensors`);
      await model.embedText(request.text);
      await model.embedImage(request.image);
      const liveBytes = getDevice().memory.liveBytes;
      const stages = ['text_embeds', 'vision.last_hidden_state', 'image_embeds'];
      const captured = await model.capture(stages, request);
      expect([...captured.keys()]).toEqual(stages);
      expect(getDevice().memory.liveBytes).toBe(liveBytes);
      for (const [stage, { shape, values }] of captured) {
        // The first picture and the first text of those recorded.
        const expected = golden(stage).data.slice(0, values.length);
        expect(shape[0]).toBe(1);
        expect(compareValues({ run: name, stage, shape }, values, expected, 1e-3)).toMatchObject({
          ok: true,
        });
      }
    });

    test('attention of both towers adds up to one', async () => {
      const names = model
        .names()
        .map((tensor) => tensor.name)
        .filter((tensor) => tensor.endsWith('.probabilities'));
      expect(names).toContain('vision.layers.0.attention.probabilities');
      expect(names).toContain('text.layers.0.attention.probabilities');
      if (name === 'siglip') expect(names).toContain('vision.head.attention.probabilities');
      const captured = await model.capture(names, request);
      for (const { shape, values } of captured.values()) {
        const T = shape.at(-1) ?? 1;
        for (let begin = 0; begin < values.length; begin += T)
          expect(values.subarray(begin, begin + T).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      }
    });

    test('a picture or a text that is missing is asked for', async () => {
      await expect(model.capture(['image_embeds'], { text: 'a' })).rejects.toThrow('no image was given');
      await expect(model.capture(['text_embeds'], { image: request.image })).rejects.toThrow(
        'no text was given',
      );
      await expect(model.capture(['image_embed'], request)).rejects.toThrow('Did you mean "image_embeds"?');
    });
  });
}
