import { setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { InputError } from '../core/errors.ts';
import { type AppParts, createApp } from './app.ts';

export interface ServeOptions extends Omit<AppParts, 'draining' | 'closing' | 'anyHost'> {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface RunningServer {
  readonly url: string;
  /** Takes no more requests, waits for those that run, and after `limitMs` ends them. */
  close(limitMs: number): Promise<void>;
}

/** How long a connection may lie idle: longer than clients keep theirs, which would otherwise use one as it closes. */
const KEEP_ALIVE_MS = 75_000;
/** How long a client may take to send headers, counted from the end of what it sent before; and a body. */
const HEADERS_TIMEOUT_MS = 80_000;
const BODY_TIMEOUT_MS = 120_000;
/** What is left of connections after every request was ended. */
const LINGER_MS = 2000;
const IDLE_CHECK_MS = 20;

/** Starts to listen. Throws InputError where the address cannot be had. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host, port } = options;
  const draining = new AbortController();
  const closing = new AbortController();
  // Each request that runs listens.
  setMaxListeners(0, closing.signal);
  const anyHost = options.keys.size > 0 || !isLoopback(host);
  const app = createApp({ ...options, anyHost, draining: draining.signal, closing: closing.signal });
  const server = createAdaptorServer({
    fetch: app.fetch,
    createServer,
    serverOptions: {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: BODY_TIMEOUT_MS,
    },
    overrideGlobalObjects: false,
  }) as ReturnType<typeof createServer>;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new InputError(
          `serve: cannot listen on ${host}:${port} (${cause.message}); expected a free port. Use --port.`,
          {
            cause,
          },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close(limitMs) {
      draining.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Connections that clients keep open for more are closed as they fall idle.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
      const limit = setTimeout(() => {
        closing.abort();
        setTimeout(() => server.closeAllConnections(), LINGER_MS).unref();
      }, limitMs);
      await closed;
      clearTimeout(limit);
      clearInterval(idle);
    },
  };
}

export const isLoopback = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1)$/i.test(host);
