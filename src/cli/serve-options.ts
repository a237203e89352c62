import type { OptionValues } from './command.ts';
import { loraOption, modelOptions } from './model-options.ts';

export const serveOptions = {
  ...modelOptions,
  ...loraOption,
  'embedding-model': {
    kind: 'text',
    value: 'DIR|HUB_ID',
    help: 'CLIP or SigLIP checkpoint for /v1/embeddings; alone, without --model, it is all that is served',
  },
  name: { kind: 'text', value: 'NAME', help: "what clients call --model; default its folder's name" },
  host: { kind: 'text', value: 'HOST', help: 'address to listen on; default 127.0.0.1, this machine alone' },
  port: { kind: 'integer', value: 'N', min: 0, max: 65535, help: 'default 8080; 0 for any free one' },
  'api-key-file': {
    kind: 'text',
    value: 'FILE',
    help: 'keys that clients must send, one a line; besides those of TESSERA_API_KEYS, which commas separate',
  },
  slots: { kind: 'integer', value: 'N', min: 1, max: 256, help: 'requests answered at once; default 8' },
  context: {
    kind: 'integer',
    value: 'N',
    min: 16,
    help: "tokens of a request, prompt and answer; default 4096, or the model's context where that is shorter",
  },
  'cache-tokens': {
    kind: 'integer',
    value: 'N',
    min: 16,
    help: 'tokens that the KV cache of all requests holds; default what the slots may need, within 1 GiB',
  },
  'max-waiting': {
    kind: 'integer',
    value: 'N',
    min: 0,
    help: 'requests that may wait for their turn; further ones get 429; default 64',
  },
  'max-tokens': { kind: 'integer', value: 'N', min: 1, help: 'longest answer in tokens; default 1024' },
  'max-pictures': { kind: 'integer', value: 'N', min: 0, help: 'pictures of a conversation; default 16' },
  'max-megapixels': { kind: 'number', value: 'X', min: 0.01, help: 'size of each picture; default 25' },
  'max-megabytes': { kind: 'number', value: 'X', min: 0.01, help: 'size of a request; default 32' },
  'picture-urls': {
    kind: 'choice',
    choices: ['public', 'any', 'none'],
    help: 'addresses pictures are fetched from: of the open internet (the default), of private networks too, or none',
  },
  timeout: { kind: 'number', value: 'SECONDS', min: 0.1, help: 'longest time of a request; default 600' },
  'drain-timeout': {
    kind: 'number',
    value: 'SECONDS',
    min: 0,
    help: 'how long SIGTERM or Ctrl-C waits for what runs; default 30',
  },
  log: {
    kind: 'choice',
    choices: ['text', 'json', 'none'],
    help: 'a line per request on stderr; default text',
  },
} as const;

export type ServeValues = OptionValues<typeof serveOptions>;
