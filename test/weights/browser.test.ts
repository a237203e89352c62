import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOM = new URL('../../src/weights/', import.meta.url);

test('a page can import the room: Node modules and Buffer occur in the files about folders and the hub alone', () => {
  // All of the folder hub is for Node.
  const files = readdirSync(ROOM).filter((file) => file !== 'hub');
  const nodeOnly = files.filter((file) =>
    /from 'node:|import\(|\bBuffer\.|\bprocess\./.test(readFileSync(new URL(file, ROOM), 'utf8')),
  );
  expect(files.length).toBeGreaterThan(10);
  expect(nodeOnly).toEqual(['checkpoint-folder.ts', 'file-source.ts']);
  for (const file of files.filter((name) => !nodeOnly.includes(name))) {
    const text = readFileSync(new URL(file, ROOM), 'utf8');
    expect(text, file).not.toMatch(/from '\.\/(checkpoint-folder\.ts|file-source\.ts|hub\/)/);
  }
});
