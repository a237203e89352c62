import { existsSync, readFileSync } from 'node:fs';
import { findChatTemplate } from '../../src/text/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../../src/text/tokenizer.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';

export const readGoldenTokenizer = (golden: string): Tokenizer =>
  createTokenizer(
    readGoldenJson(`${golden}/tokenizer.json`),
    readGoldenJson(`${golden}/tokenizer_config.json`),
  );

export function readGoldenTemplate(golden: string): string | null {
  const path = (name: string): string => `${golden}/${name}`;
  const has = (name: string): boolean => existsSync(goldenPath(path(name)));
  return findChatTemplate({
    jinja: has('chat_template.jinja') ? readFileSync(goldenPath(path('chat_template.jinja')), 'utf8') : null,
    json: has('chat_template.json') ? readGoldenJson(path('chat_template.json')) : null,
    tokenizerConfig: readGoldenJson(path('tokenizer_config.json')),
  });
}
