import { readFileSync } from 'node:fs';

export const readFixture = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as T;
