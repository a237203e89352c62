import type { Device } from '../../src/device/gpu-device.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import type { AnswerBatch } from '../../src/generate/batch/batch.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import { createApiKeys } from '../../src/server/api-keys.ts';
import { createGrammars } from '../../src/server/grammar.ts';
import { createMetrics } from '../../src/server/metrics.ts';
import type { RequestEnd } from '../../src/server/request-record.ts';
import { type RunningServer, serve } from '../../src/server/serve.ts';

export interface TestServer extends RunningServer {
  readonly batch: AnswerBatch;
  /** Requests that ended, in order. */
  readonly ends: RequestEnd[];
  /** Closes the server and frees the models. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  readonly keys?: readonly string[];
  readonly urls?: 'public' | 'any' | 'none';
  readonly maxWaiting?: number;
  readonly timeoutMs?: number;
  readonly embeddings?: boolean;
}

/** A server of the built-in model and, where asked, of a recorded CLIP. */
export async function startServer(device: Device, options: TestServerOptions = {}): Promise<TestServer> {
  const model = await loadModel(undefined, { device, dtype: 'f32' });
  const clip = options.embeddings
    ? await loadContrastiveModel('test/goldens/clip', { device, dtype: 'f32' })
    : undefined;
  const batch = await model.startBatch({ slots: 4 });
  const pictures = { urls: options.urls ?? 'public', maxPixels: 1e6, maxBytes: 1e6, timeoutMs: 5000 };
  const ends: RequestEnd[] = [];
  const limits = { pictures, maxPictures: 4, maxTokens: 400 };
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    chat: {
      name: 'demo',
      batch,
      tokenizer: model.tokenizer,
      grammars: createGrammars(),
      limits,
      maxWaiting: options.maxWaiting ?? 64,
      maxBodyBytes: 2e6,
    },
    embeddings: clip && { name: 'clip', model: clip, pictures, maxInputs: 8, maxBodyBytes: 2e6 },
    keys: createApiKeys(options.keys ?? []),
    metrics: createMetrics({ load: () => batch.load, gpuBytes: () => device.memory.liveBytes }),
    version: '0.0.0',
    timeoutMs: options.timeoutMs ?? 60_000,
    onEnd: (end) => ends.push(end),
  });
  return {
    ...server,
    batch,
    ends,
    async stop() {
      await server.close(0);
      await batch.dispose();
      model.dispose();
      clip?.dispose();
    },
  };
}
