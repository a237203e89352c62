import { setTimeout as sleep } from 'node:timers/promises';
import { AbortError, EngineError, InputError } from '../../core/errors.ts';
import { watchIdle } from '../watch-idle.ts';
import { formatRefusal } from './hub-refusal.ts';
import type { HubToken } from './hub-settings.ts';

/** How bytes are moved. */
export interface HubTransfer {
  /** Ranges of one file asked for at once. */
  readonly ranges: number;
  readonly files: number;
  readonly rangeBytes: number;
  /** A request that brings no byte for so long is tried again. */
  readonly idleTimeoutMs: number;
  /** Failures in a row, none of which brought a byte, until it is given up. */
  readonly attempts: number;
  /** The first wait between tries; each is twice the one before. */
  readonly backoffMs: number;
}

/** One model on one hub, as a download sees it. */
export interface Hub {
  readonly id: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly token: HubToken | undefined;
  readonly transfer: HubTransfer;
  /** Told why nothing seems to happen. */
  readonly onNotice: (text: string) => void;
}

export interface HubRequest {
  /** Below the endpoint. */
  readonly path: string;
  /** The file or listing asked for, for messages. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

/** What may go well when tried again. */
export class PassingError extends Error {
  readonly retryAfterMs: number | undefined;
  constructor(message: string, options?: ErrorOptions & { readonly retryAfterMs?: number | undefined }) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** The server sent the whole file when asked for a range. */
export class RangesIgnored extends Error {}

const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const MAX_BACKOFF_MS = 30_000;
/** Who is asked to wait longer should hear of it, not wait. */
const MAX_RETRY_AFTER_MS = 300_000;
/** Shorter waits need no explanation. */
const NOTICE_MS = 3_000;

/**
 * One GET; `consume` reads the answer and calls `alive` as bytes come. The token goes to the endpoint alone: fetch
 * drops it when a redirect leads to another origin. Throws PassingError for what may pass, RangesIgnored, InputError for
 * a refusal, AbortError.
 */
export async function requestHub<T>(
  hub: Hub,
  { path, what, headers, signal }: HubRequest,
  consume: (response: Response, alive: () => void) => Promise<T>,
): Promise<T> {
  const idle = watchIdle(hub.transfer.idleTimeoutMs);
  let trouble = `${hub.endpoint} can't be reached`;
  try {
    const response = await fetch(`${hub.endpoint}/${path}`, {
      headers: {
        ...(hub.token && { Authorization: `Bearer ${hub.token.secret}` }),
        // A range of a compressed body would not be a range of the file.
        'Accept-Encoding': 'identity',
        ...headers,
      },
      signal: signal ? AbortSignal.any([signal, idle.signal]) : idle.signal,
    });
    idle.alive();
    trouble = 'the connection was cut';
    if (!response.ok) throw refusal(hub, response, what);
    if (response.status === 200 && headers?.Range !== undefined) throw new RangesIgnored();
    return await consume(response, idle.alive);
  } catch (cause) {
    if ([EngineError, PassingError, RangesIgnored].some((own) => cause instanceof own)) throw cause;
    if (signal?.aborted) throw new AbortError('hub: the download was aborted', { cause });
    if (idle.isIdle) {
      throw new PassingError(`nothing came for ${hub.transfer.idleTimeoutMs} ms`, { cause });
    }
    throw new PassingError(`${trouble} (${reasonOf(cause)})`, { cause });
  } finally {
    // Drops a body that was not read to its end too.
    idle.stop();
  }
}

/** What fetch says is "fetch failed"; why is in its cause, which may be several (one for each address of a host). */
function reasonOf(cause: unknown): string {
  const { message, cause: inner } = cause as Error;
  if (!(inner instanceof Error)) return message;
  return inner.message || ((inner as NodeJS.ErrnoException).code ?? message);
}

function refusal(hub: Hub, response: Response, what: string): Error {
  const { status, url } = response;
  const host = new URL(url).host;
  // A hub hands out addresses of its storage that are valid for a while; a new one may do.
  const isStorage = host !== new URL(hub.endpoint).host;
  if (!isStorage && !PASSING_STATUS.has(status)) return new InputError(formatRefusal(hub, response, what));
  return new PassingError(`${isStorage ? host : hub.endpoint} answered ${status}`, {
    retryAfterMs: retryAfterMs(response.headers),
  });
}

/** Seconds or a date: RFC 9110, 10.2.3. The hub itself sends `RateLimit: "api";r=0;t=SECONDS`. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? /;\s*r=0;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}

export interface RetryOptions {
  /** The file or listing asked for, for messages. */
  readonly what: string;
  readonly attempts: number;
  readonly signal: AbortSignal | undefined;
  /** A number that grows as bytes come: failures count anew from there. */
  readonly progress?: () => number;
}

/** Tries again, later and later, after a PassingError. Throws InputError when that does not help. */
export async function withRetries<T>(
  hub: Hub,
  { what, attempts, signal, progress = () => 0 }: RetryOptions,
  attempt: () => Promise<T>,
): Promise<T> {
  let reached = progress();
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingError)) throw error;
      if (progress() > reached) failures = 1;
      reached = progress();
      const { message, retryAfterMs: asked = 0 } = error;
      if (failures >= attempts || asked > MAX_RETRY_AFTER_MS) throw givenUp(hub, what, failures, error);
      const backoffMs = Math.min(hub.transfer.backoffMs * 2 ** (failures - 1), MAX_BACKOFF_MS);
      // Spread, or parallel requests that failed together would come back together.
      const waitMs = Math.max(asked, backoffMs * (0.75 + Math.random() / 2));
      if (waitMs >= NOTICE_MS) {
        hub.onNotice(`${what}: ${message}; trying again in ${Math.round(waitMs / 1000)} s`);
      }
      await wait(waitMs, signal);
    }
  }
}

function givenUp(hub: Hub, what: string, failures: number, cause: PassingError): InputError {
  const where = `hub model "${hub.id}": ${what}`;
  const { message, retryAfterMs: asked } = cause;
  if (asked !== undefined && asked > MAX_RETRY_AFTER_MS) {
    const more = hub.token ? '' : ' The hub allows more to those who set HF_TOKEN.';
    return new InputError(
      `${where}: ${message} and asks to wait ${Math.ceil(asked / 60_000)} minutes; expected at most ${MAX_RETRY_AFTER_MS / 60_000}. Try again then.${more}`,
      { cause },
    );
  }
  return new InputError(
    `${where}: ${message}, ${failures} times in a row; expected an answer of ${hub.endpoint}. Check the connection and try again: a download goes on where it stopped.`,
    { cause },
  );
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal && { signal }).catch((cause: unknown) => {
    throw new AbortError('hub: the download was aborted', { cause });
  });
}
