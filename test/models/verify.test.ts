import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type StageResult, verifyCheckpoint } from '../../src/generate/verify.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath } from '../read-golden.ts';

/** Lines of the table that each golden must give, so that a stage cannot drop out unseen. */
const GOLDENS = { llava15: 17, llava_linear: 17, llama3_text: 25, qwen2_text: 25 } as const;

async function verify(name: string, options: Parameters<typeof verifyCheckpoint>[1]): Promise<StageResult[]> {
  const files = await folderFiles(fileURLToPath(goldenPath(name)));
  const results: StageResult[] = [];
  for await (const result of verifyCheckpoint(files, options)) results.push(result);
  return results;
}

describeOnAdapters('goldens', (getDevice) => {
  for (const dtype of ['f32', 'f16'] as const) {
    test.for(Object.entries(GOLDENS))(`%s in ${dtype}`, async ([name, stages], { skip }) => {
      const device = getDevice();
      if (dtype === 'f16' && !device.caps.features.shaderF16)
        skip(`${device.caps.adapterName} has no shader-f16`);
      const liveBytes = device.memory.liveBytes;
      const results = await verify(name, { device, dtype });
      expect(results.filter(({ ok }) => !ok)).toEqual([]);
      expect(results).toHaveLength(stages);
      expect(device.memory.liveBytes).toBe(liveBytes);
    });
  }
});

test('a checkpoint without a reference says so', async () => {
  const files = await folderFiles('models/demo');
  await expect(verifyCheckpoint(files).next()).rejects.toThrow('has no reference.json');
});
