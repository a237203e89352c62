import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

/** Who may import whom; the same table stands in ARCHITECTURE.md. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  wgsl: ['core'],
  ops: ['core'],
  graph: ['core', 'ops'],
  autograd: ['core', 'ops', 'graph'],
  kernels: ['core', 'wgsl', 'ops'],
  compile: ['core', 'wgsl', 'ops', 'graph', 'kernels'],
  device: ['core'],
  runtime: ['core', 'wgsl', 'ops', 'kernels', 'compile', 'device', 'weights'],
  weights: ['core'],
  models: ['core', 'ops', 'graph', 'weights'],
  text: ['core'],
  image: ['core'],
  video: ['core', 'image'],
  processors: ['core', 'models', 'text', 'image', 'video'],
  generate: [
    'core',
    'ops',
    'graph',
    'compile',
    'device',
    'runtime',
    'weights',
    'models',
    'text',
    'image',
    'video',
    'processors',
  ],
  embed: ['core', 'graph', 'compile', 'device', 'runtime', 'weights', 'models', 'text', 'image', 'generate'],
  batch: ['core', 'weights', 'image', 'embed'],
  look: ['core', 'models', 'text', 'image', 'generate', 'embed'],
  verify: [
    'core',
    'compile',
    'device',
    'graph',
    'runtime',
    'weights',
    'models',
    'text',
    'image',
    'processors',
    'generate',
    'embed',
  ],
  train: [
    'core',
    'ops',
    'graph',
    'autograd',
    'compile',
    'device',
    'runtime',
    'weights',
    'models',
    'text',
    'image',
    'generate',
    'embed',
  ],
  server: ['core', 'text', 'image', 'generate', 'embed'],
  cli: [
    'core',
    'ops',
    'graph',
    'compile',
    'device',
    'runtime',
    'weights',
    'models',
    'text',
    'image',
    'video',
    'processors',
    'generate',
    'embed',
    'look',
    'verify',
    'train',
    'server',
    'batch',
    'index.ts',
  ],
  web: [
    'core',
    'device',
    'weights',
    'models',
    'text',
    'image',
    'generate',
    'embed',
    'look',
    'bench', // the kernels' page times what bench/ defines
  ],
  'engine.ts': ['core', 'graph', 'compile', 'device', 'runtime', 'weights'],
  'index.ts': [
    'core',
    'autograd',
    'compile',
    'device',
    'weights',
    'models',
    'text',
    'image',
    'video',
    'processors',
    'generate',
    'embed',
    'train',
    'look',
  ],
};

const SRC = 'src';
const MAX_LINES: Readonly<Record<string, number>> = { kernels: 250, models: 150 };
const MAX_LINES_ELSEWHERE = 400;

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const roomOf = (file: string): string => file.replace(/^\.\.\//, '').split('/')[0] ?? file;

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)].map(
    (match) => match[1] ?? '',
  );
  return specifiers.map((specifier) => normalize(join(dirname(file), specifier)));
}

describe('architecture', () => {
  test.each(files)('%s imports only what its room may', (file) => {
    const room = roomOf(file);
    const allowed = [...(ALLOWED[room] ?? []), room];
    const broken = importsOf(file).filter((target) => !allowed.includes(roomOf(target)));
    expect(broken).toEqual([]);
  });

  test.each(files)('%s fits in the head', (file) => {
    const lines = readFileSync(join(SRC, file), 'utf8').split('\n').length;
    expect(lines).toBeLessThanOrEqual(MAX_LINES[roomOf(file)] ?? MAX_LINES_ELSEWHERE);
  });

  test('there are files to check', () => {
    expect(files.length).toBeGreaterThan(50);
  });
});
