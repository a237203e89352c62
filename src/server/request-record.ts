import { randomUUID } from 'node:crypto';
import type { GenerationResult } from '../generate/generation.ts';
import { ApiError } from './api-error.ts';

/** One request from its arrival to its end: what it is stopped by, and what is told of it in the log and metrics. */
export interface RequestRecord {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  /** Whose turn it counts for. */
  readonly client: string;
  /** Fires when the client leaves, time is up, or the server ends. */
  readonly signal: AbortSignal;
  /** Set once the answer has begun to be sent: from then on it ends itself. */
  streams: boolean;
  /** The client left. */
  abort(): void;
  answered(result: GenerationResult): void;
  /** Why the signal fired, where that is what ended the request; otherwise what was given. */
  explain(error: unknown): unknown;
  end(status: number, error?: ApiError): void;
}

export interface RequestEnd {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly client: string;
  readonly status: number;
  readonly seconds: number;
  readonly promptTokens?: number;
  readonly generatedTokens?: number;
  readonly firstTokenSeconds?: number;
  readonly error?: string;
}

export interface RecordOptions {
  readonly request: Request;
  readonly path: string;
  readonly client: string;
  readonly timeoutMs: number;
  /** Fires when the server stops waiting for what still runs. */
  readonly closing: AbortSignal;
  readonly onEnd: (end: RequestEnd, cause: unknown) => void;
}

export function createRequestRecord(options: RecordOptions): RequestRecord {
  const { request, path, client, timeoutMs, closing, onEnd } = options;
  const id = request.headers.get('x-request-id')?.slice(0, 128) ?? randomUUID();
  const startedMs = performance.now();
  const gone = new AbortController();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  // Kept by hand: signals made by AbortSignal.any from a long-lived one are a known leak of Node 20.
  const all = new AbortController();
  const fire = (): void => all.abort();
  const sources = [request.signal, gone.signal, late.signal, closing];
  for (const source of sources) {
    if (source.aborted) fire();
    source.addEventListener('abort', fire, { once: true });
  }
  let stats: GenerationResult['stats'] | undefined;
  let ended = false;
  return {
    id,
    method: request.method,
    path,
    client,
    signal: all.signal,
    streams: false,
    abort: () => gone.abort(),
    answered(result) {
      stats = result.stats;
    },
    explain(error) {
      if (!all.signal.aborted || error instanceof ApiError) return error;
      if (request.signal.aborted || gone.signal.aborted) return error;
      if (closing.aborted) return new ApiError(503, 'the server is shutting down', { cause: error });
      return new ApiError(504, `no whole answer within ${timeoutMs / 1000} s; ask for fewer tokens.`, {
        code: 'timeout',
        cause: error,
      });
    },
    end(status, error) {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener('abort', fire);
      const end: RequestEnd = {
        id,
        method: request.method,
        path,
        client,
        status,
        seconds: (performance.now() - startedMs) / 1000,
        ...(stats
          ? {
              promptTokens: stats.promptTokens,
              generatedTokens: stats.generatedTokens,
              firstTokenSeconds: stats.firstTokenMs / 1000,
            }
          : {}),
        ...(error ? { error: error.message } : {}),
      };
      onEnd(end, error?.cause);
    },
  };
}
