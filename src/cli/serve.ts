import { basename } from 'node:path';
import type { Device } from '../device/gpu-device.ts';
import { requestDevice } from '../device/request-device.ts';
import type { AnswerBatch } from '../generate/batch/batch.ts';
import { createApiKeys, readApiKeyFile } from '../server/api-keys.ts';
import type { ChatService } from '../server/chat.ts';
import type { EmbeddingService } from '../server/embeddings.ts';
import { createGrammars } from '../server/grammar.ts';
import { createMetrics } from '../server/metrics.ts';
import type { PictureLimits } from '../server/open-picture.ts';
import { formatRequest } from '../server/request-log.ts';
import type { RequestEnd } from '../server/request-record.ts';
import { isLoopback, serve } from '../server/serve.ts';
import { defineCommand, type Terminal } from './command.ts';
import { openContrastiveModel } from './contrastive-options.ts';
import { openModel } from './model-options.ts';
import { packageVersion } from './package-version.ts';
import { type ServeValues, serveOptions } from './serve-options.ts';
import { formatMs } from './units.ts';

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_PORT = 8080;
const MEGA = 1e6;
const FETCH_TIMEOUT_MS = 20_000;
const MAX_INPUTS = 256;

export const serveCommand = defineCommand({
  name: 'serve',
  details: [
    'POST /v1/chat/completions (text and pictures, streamed or whole), POST /v1/embeddings, GET /v1/models, /health, /metrics (Prometheus) and /openapi.json. Any client of OpenAI works with base URL http://127.0.0.1:8080/v1.',
    'Pictures come as data URLs or http(s) addresses. Without keys only this machine is served.',
    'SIGTERM and Ctrl-C let what runs end; a second Ctrl-C ends at once.',
  ].join('\n\n'),
  operands: { usage: '', min: 0, max: 0 },
  options: serveOptions,
  examples: [
    'tessera serve',
    'tessera serve --model HuggingFaceTB/SmolVLM-256M-Instruct --port 9000',
    'tessera serve --model ./llava-1.5-7b-hf --dtype q8 --embedding-model ./siglip-base-patch16-224',
    'TESSERA_API_KEYS="$(cat keys)" tessera serve --host 0.0.0.0 --log json',
  ],
  async run(values, _operands, terminal) {
    const { stderr } = terminal;
    const keys = createApiKeys([
      ...(process.env.TESSERA_API_KEYS ?? '')
        .split(',')
        .map((key) => key.trim())
        .filter(Boolean),
      ...(values['api-key-file'] === undefined ? [] : await readApiKeyFile(values['api-key-file'])),
    ]);
    const host = values.host ?? DEFAULT_HOST;
    if (keys.size === 0 && !isLoopback(host)) {
      stderr.write(`Warning: everyone who reaches ${host} may ask; expected API keys. Use --api-key-file.\n`);
    }
    const device = await requestDevice({ adapter: values.adapter });
    try {
      const services = await openServices(values, device, terminal);
      try {
        return await serveUntilStopped(values, { ...services, keys, device, host }, terminal);
      } finally {
        await services.dispose();
      }
    } finally {
      device.dispose();
    }
  },
});

interface Services {
  readonly chat: ChatService | undefined;
  readonly embeddings: EmbeddingService | undefined;
  dispose(): Promise<void>;
}

async function openServices(values: ServeValues, device: Device, terminal: Terminal): Promise<Services> {
  const pictures: PictureLimits = {
    urls: values['picture-urls'] ?? 'public',
    maxPixels: (values['max-megapixels'] ?? 25) * MEGA,
    maxBytes: (values['max-megabytes'] ?? 32) * MEGA,
    timeoutMs: FETCH_TIMEOUT_MS,
  };
  const maxBodyBytes = pictures.maxBytes;
  const embeddingModel = values['embedding-model'];
  const chatModel =
    embeddingModel === undefined || values.model !== undefined
      ? await openModel({ ...values, device }, terminal)
      : undefined;
  let batch: AnswerBatch | undefined;
  const release = async (): Promise<void> => {
    await batch?.dispose();
    chatModel?.dispose();
  };
  try {
    batch = await chatModel?.startBatch({
      slots: values.slots,
      contextTokens: values.context,
      cacheTokens: values['cache-tokens'],
    });
    const embedder =
      embeddingModel === undefined
        ? undefined
        : await openContrastiveModel('serve', { ...values, model: embeddingModel, device }, terminal, [
            'image',
            'text',
          ]);
    return {
      chat: chatModel &&
        batch && {
          name: values.name ?? basename(chatModel.name),
          batch,
          tokenizer: chatModel.tokenizer,
          grammars: createGrammars(),
          limits: {
            pictures,
            maxPictures: values['max-pictures'] ?? 16,
            maxTokens: values['max-tokens'] ?? 1024,
          },
          maxWaiting: values['max-waiting'] ?? 64,
          maxBodyBytes,
        },
      embeddings: embedder && {
        name: basename(embedder.model.name),
        model: embedder.model,
        pictures,
        maxInputs: MAX_INPUTS,
        maxBodyBytes,
      },
      async dispose() {
        await release();
        embedder?.model.dispose();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function serveUntilStopped(
  values: ServeValues,
  parts: Pick<Services, 'chat' | 'embeddings'> & {
    readonly keys: ReturnType<typeof createApiKeys>;
    readonly device: Device;
    readonly host: string;
  },
  { stderr, signal }: Terminal,
): Promise<number> {
  const { chat, device } = parts;
  const metrics = createMetrics({
    load: () => chat?.batch.load ?? { running: 0, slots: 0, waiting: 0, pages: 0, freePages: 0 },
    gpuBytes: () => device.memory.liveBytes,
  });
  const { log = 'text' } = values;
  const onEnd = (end: RequestEnd, cause: unknown): void => {
    metrics.observe(end);
    if (log !== 'none') stderr.write(`${formatRequest(end, log)}\n`);
    if (end.status === 500 && cause instanceof Error) stderr.write(`${cause.stack ?? cause.message}\n`);
  };
  const server = await serve({
    ...parts,
    port: values.port ?? DEFAULT_PORT,
    metrics,
    version: packageVersion(),
    timeoutMs: (values.timeout ?? 600) * 1000,
    onEnd,
  });
  const names = [chat, parts.embeddings].flatMap((service) => (service ? [service.name] : []));
  stderr.write(`Serving ${names.join(' and ')} on ${device.caps.adapterName} at ${server.url}/v1\n`);
  await stopped(signal);
  const drainMs = (values['drain-timeout'] ?? 30) * 1000;
  stderr.write(`Shutting down; waiting up to ${formatMs(drainMs)} for what runs\n`);
  await server.close(drainMs);
  return 0;
}

/** Until Ctrl-C or SIGTERM. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => resolve();
    process.once('SIGTERM', stop);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}
