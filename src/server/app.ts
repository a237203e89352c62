import { getConnInfo } from '@hono/node-server/conninfo';
import { type Context, Hono } from 'hono';
import { ApiError, errorResponse, toApiError } from './api-error.ts';
import type { ApiKeys } from './api-keys.ts';
import { answerChat, type ChatService } from './chat.ts';
import { answerEmbeddings, type EmbeddingService } from './embeddings.ts';
import type { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import { createRequestRecord, type RequestEnd, type RequestRecord } from './request-record.ts';

export interface AppParts {
  readonly chat: ChatService | undefined;
  readonly embeddings: EmbeddingService | undefined;
  readonly keys: ApiKeys;
  readonly metrics: Metrics;
  readonly version: string;
  readonly timeoutMs: number;
  /** Whether requests may come by any name of this host: not where only loopback keeps strangers out. */
  readonly anyHost: boolean;
  /** Fires when no further request is taken. */
  readonly draining: AbortSignal;
  /** Fires when those that still run are ended. */
  readonly closing: AbortSignal;
  readonly onEnd: (end: RequestEnd, cause: unknown) => void;
}

type Answer = (request: Request, record: RequestRecord) => Promise<Response> | Response;

/** The server's routes. */
export function createApp(parts: AppParts): Hono {
  const { chat, embeddings, metrics, keys, draining } = parts;
  const createdAt = Math.floor(Date.now() / 1000);
  const app = new Hono();

  /** Runs `answer` with a record, and tells every error as the API does. */
  const recorded =
    (answer: Answer) =>
    async (c: Context): Promise<Response> => {
      const { raw, path } = c.req;
      const owner = keys.ownerOf(bearerOf(raw));
      const address = getConnInfo(c).remote.address ?? 'unknown';
      const record = createRequestRecord({
        request: raw,
        path,
        client: owner ?? address,
        timeoutMs: parts.timeoutMs,
        closing: parts.closing,
        onEnd: parts.onEnd,
      });
      try {
        if (!parts.anyHost) checkHost(raw);
        if (keys.size > 0 && owner === null) throw wrongKey();
        if (draining.aborted) throw new ApiError(503, 'the server is shutting down');
        const response = await answer(raw, record);
        if (!record.streams) record.end(response.status);
        response.headers.set('x-request-id', record.id);
        return response;
      } catch (cause) {
        const error = toApiError(record.explain(cause));
        record.end(error.status, error);
        const response = errorResponse(error);
        response.headers.set('x-request-id', record.id);
        if (draining.aborted) response.headers.set('connection', 'close');
        return response;
      }
    };
  const missing = (what: string, option: string): never => {
    throw new ApiError(404, `this server has no model for ${what}. Start it with ${option}.`);
  };

  app.post(
    '/v1/chat/completions',
    recorded((request, record) =>
      chat ? answerChat(chat, request, record) : missing('answers', 'tessera serve --model'),
    ),
  );
  app.post(
    '/v1/embeddings',
    recorded((request, record) =>
      embeddings
        ? answerEmbeddings(embeddings, request, record)
        : missing('embeddings', 'tessera serve --embedding-model'),
    ),
  );
  const models = [chat, embeddings].flatMap((service) =>
    service ? [{ id: service.name, object: 'model', created: createdAt, owned_by: 'tessera' }] : [],
  );
  app.get(
    '/v1/models',
    recorded(() => Response.json({ object: 'list', data: models })),
  );
  app.get(
    '/v1/models/:id{.+}',
    recorded((request) => {
      const id = decodeURIComponent(new URL(request.url).pathname.slice('/v1/models/'.length));
      const model = models.find((candidate) => candidate.id === id);
      if (model) return Response.json(model);
      throw new ApiError(404, `the model "${id}" is not served here.`, { code: 'model_not_found' });
    }),
  );
  app.get('/health', (c) => {
    const body = { status: draining.aborted ? 'draining' : 'ok', ...chat?.batch.load };
    return c.json(body, draining.aborted ? 503 : 200);
  });
  app.get('/metrics', async (c) =>
    c.text(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );
  app.get('/openapi.json', (c) => c.json(openApiDocument(parts.version)));
  app.notFound((c) =>
    errorResponse(new ApiError(404, `there is no ${c.req.method} ${c.req.path}; see /openapi.json.`)),
  );
  app.onError((error) => errorResponse(toApiError(error)));
  return app;
}

const bearerOf = (request: Request): string =>
  /^Bearer\s+(.+)$/i.exec(request.headers.get('authorization') ?? '')?.[1] ?? '';

const wrongKey = (): ApiError =>
  new ApiError(401, 'the API key is missing or unknown; expected Authorization: Bearer KEY.', {
    code: 'invalid_api_key',
  });

const LOOPBACK_HOST = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/i;

/**
 * Without keys, being on loopback is all that keeps strangers out; a page in a browser of this machine could reach the
 * server under a name of its own that leads here (DNS rebinding). Throws ApiError.
 */
function checkHost(request: Request): void {
  const host = request.headers.get('host') ?? '';
  if (LOOPBACK_HOST.test(host)) return;
  throw new ApiError(403, `the host is "${host}"; expected localhost. Set an API key to serve other names.`);
}
