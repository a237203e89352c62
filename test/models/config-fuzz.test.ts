import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { EngineError } from '../../src/core/errors.ts';
import { readContrastiveAssets } from '../../src/embed/contrastive-assets.ts';
import { readAssets } from '../../src/generate/checkpoint-assets.ts';
import { isDualEncoder } from '../../src/models/registry.ts';
import { goldenPath } from '../read-golden.ts';
import { withJson } from '../with-json.ts';

type Json = Readonly<Record<string, unknown>>;

/** What a field is replaced by: another type, a number no size can be, nothing. */
const WRONG: readonly unknown[] = [undefined, 'seven', -3.5, [], { a: 1 }];

/** Files that decide how a checkpoint is built and fed. */
const FILES = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
];

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `json` with each field in turn, at any depth, replaced by each of WRONG. */
function* mutations(json: Json, path = ''): Generator<{ readonly label: string; readonly json: Json }> {
  for (const [field, value] of Object.entries(json)) {
    const name = path === '' ? field : `${path}.${field}`;
    for (const wrong of WRONG) {
      const { [field]: _old, ...rest } = json;
      yield {
        label: `${name} = ${JSON.stringify(wrong)}`,
        json: wrong === undefined ? rest : { ...rest, [field]: wrong },
      };
    }
    if (!isObject(value)) continue;
    for (const inner of mutations(value, name)) {
      yield { label: inner.label, json: { ...json, [field]: inner.json } };
    }
  }
}

const checkpoints = readdirSync(fileURLToPath(goldenPath('.')), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => readdirSync(fileURLToPath(goldenPath(name))).includes('config.json'));

test('there are checkpoints to spoil', () => expect(checkpoints.length).toBeGreaterThan(6));

describe.each(checkpoints)('%s with a spoilt field', (golden) => {
  const folder = fileURLToPath(goldenPath(golden));
  const present = FILES.filter((file) => readdirSync(folder).includes(file));

  test.each(present)('of %s loads all the same or is refused in words', async (file) => {
    const whole: Json = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
    const bare: string[] = [];
    let refused = 0;
    for (const { label, json } of mutations(whole)) {
      const files = await withJson(folder, { [file]: json });
      const config: unknown =
        file === 'config.json' ? json : JSON.parse(readFileSync(`${folder}/config.json`, 'utf8'));
      try {
        await (isDualEncoder(config, 'config.json') ? readContrastiveAssets(files) : readAssets(files));
      } catch (error) {
        refused++;
        const clear = error instanceof EngineError && error.code !== 'internal';
        if (!clear) bare.push(`${label}: ${error}`);
      }
    }
    expect(bare).toEqual([]);
    if (file === 'config.json') expect(refused).toBeGreaterThan(20);
  });
});
