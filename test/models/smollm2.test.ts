import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';

/**
 * A real language model: set TESSERA_SMOLLM2 to a folder that holds SmolLM2-135M-Instruct as safetensors and a
 * reference.json of greedy answers computed in float32. 266 MB, therefore not in the repository.
 */
const folder = process.env.TESSERA_SMOLLM2;

interface RecordedAnswer {
  readonly prompt: string;
  readonly input_ids: readonly number[];
  readonly generated: readonly number[];
}

describe.skipIf(!folder)(`SmolLM2-135M${folder ? '' : ' (skipped: TESSERA_SMOLLM2 names no folder)'}`, () => {
  test('greedy answers equal the reference token for token', { timeout: 600_000 }, async () => {
    const dir = folder ?? '';
    const answers = JSON.parse(readFileSync(join(dir, 'reference.json'), 'utf8')) as RecordedAnswer[];
    const model = await loadModel(dir, { dtype: 'f32' });
    try {
      for (const { prompt, input_ids, generated } of answers) {
        const result = await model.generate({ prompt, greedy: true, maxNewTokens: generated.length });
        expect(result.promptTokenIds).toEqual(input_ids);
        expect(result.tokenIds).toEqual(generated);
      }
    } finally {
      model.dispose();
    }
  });
});
