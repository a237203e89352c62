import { expect, test } from 'vitest';
import { familyName } from '../../bench/model-table/families.ts';
import { formatTable, replaceTable } from '../../bench/model-table/markdown.ts';
import { readConfig } from '../../src/models/config-reader.ts';

const measured = (adapter: string, failed: readonly string[] = []) => ({
  adapter,
  stages: 17,
  failed,
  worst: { relativeError: 0.0000123, stage: 'logits' },
  tokensEqual: 47,
  tokensTotal: 48,
  peakGpuBytes: 3 * 2 ** 20,
  speed: { perSecond: 210, unit: 'tokens' as const },
});

test('a row has the family, the checkpoint, and parity, tokens, speed and memory per adapter', () => {
  const table = formatTable([
    {
      family: 'LLaVA',
      checkpoint: 'llava15',
      measurements: [measured('one'), measured('two', ['chat.logits'])],
    },
  ]);
  expect(table.split('\n')).toEqual([
    '| family | checkpoint | stages | max error, one | tokens equal | speed | peak GPU | max error, two | tokens equal | speed | peak GPU |',
    `|${' --- |'.repeat(11)}`,
    '| LLaVA | `llava15` | 17 | 1.2e-5 (`logits`) | 47 of 48 | 210 tokens/s | 3.0 MiB | **1 stages fail**, 1.2e-5 (`logits`) | 47 of 48 | 210 tokens/s | 3.0 MiB |',
  ]);
});

test('the table takes the place of the one between the marks, and of nothing else', () => {
  const mark = '<!-- model table: npm run model-table -- --write -->';
  const end = '<!-- end of model table -->';
  expect(replaceTable(`a\n${mark}\nold\n${end}\nb`, '| new |')).toBe(`a\n${mark}\n\n| new |\n\n${end}\nb`);
  expect(() => replaceTable('a', '')).toThrow('has no "<!-- model table');
});

test('PaliGemma 2 is told by its decoder', () => {
  const name = (json: object) => familyName(readConfig(json, 'config.json'));
  expect(name({ model_type: 'paligemma', text_config: { model_type: 'gemma2' } })).toBe('PaliGemma 2');
  expect(name({ model_type: 'paligemma', text_config: { model_type: 'gemma' } })).toBe('PaliGemma');
  expect(name({ model_type: 'abacus' })).toBe('abacus');
});
