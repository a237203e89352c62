import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { parseImageProcessor } from '../../src/image/image-processor.ts';
import { composeVlm } from '../../src/models/compose/compose-vlm.ts';
import { projectors } from '../../src/models/compose/projectors.ts';
import { composedProcessor } from '../../src/processors/composed.ts';
import { withSpecialToken } from '../../src/text/added-token.ts';
import { createTokenizer } from '../../src/text/tokenizer.ts';
import { DECODERS, ENCODERS } from '../models/tiny-parts.ts';
import { readGoldenJson } from '../read-golden.ts';

const { clip } = ENCODERS;
const { llama } = DECODERS;
if (!clip || !llama) throw new Error('parts lack');
const model = composeVlm({
  encoder: clip,
  projector: projectors.cAbstractor({ tokens: 3 }),
  decoder: llama,
  imageTokenId: 448,
});
const tokenizerConfig = readGoldenJson<{ chat_template: string }>('llama3_text/tokenizer_config.json');
const { json } = withSpecialToken(readGoldenJson('llama3_text/tokenizer.json'), '<image>', 448);
const tokenizer = createTokenizer(json, tokenizerConfig);
const processor = (chatTemplate: string | null) =>
  composedProcessor({
    model,
    tokenizer,
    image: parseImageProcessor(readGoldenJson('clip/preprocessor_config.json')),
    imageToken: '<image>',
    chatTemplate,
  });

const CONVERSATION = [
  {
    role: 'user',
    content: [{ type: 'image' }, { type: 'image' }, { type: 'text', text: 'Which is red?' }],
  },
  { role: 'assistant', content: 'The first.' },
  { role: 'user', content: 'Sure?' },
] as const;

const HEAD = '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n';

test('a template for text alone sees pictures as their token and a new line', () => {
  const text = processor(tokenizerConfig.chat_template).render?.(CONVERSATION) ?? '';
  expect(text.startsWith(`${HEAD}<image>\n<image>\nWhich is red?<|eot_id|>`)).toBe(true);
  expect(text.endsWith('Sure?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n')).toBe(true);
});

test('without a template the texts follow each other', () => {
  expect(processor(null).render?.(CONVERSATION)).toBe('<image>\n<image>\nWhich is red?\nThe first.\nSure?');
});

test('a picture becomes as many tokens as the projector makes of it', () => {
  const medium = { kind: 'image', key: null, layout: model.vision?.typicalLayout, tiles: () => [] } as const;
  const media = [medium, medium] as never;
  const expanded = processor(null).expand('<image> or <image>?', media);
  expect(expanded).toBe('<image><image><image> or <image><image><image>?');
  const ids = processor(null).encode?.(expanded, 'plain') ?? [];
  expect(ids.filter((id) => id === 448)).toHaveLength(6);
  expect(() => processor(null).expand('<image>', media)).toThrow(InputError);
});

test('BOS comes once, whether the template writes it or not', () => {
  const bos = (ids: readonly number[] = []): number => ids.filter((id) => id === 420).length;
  expect(bos(processor(null).encode?.(`${HEAD}Hello`, 'plain'))).toBe(1);
  expect(bos(processor(null).encode?.('Hello', 'plain'))).toBe(
    bos(tokenizer.encode('Hello', { addSpecialTokens: true })),
  );
});
