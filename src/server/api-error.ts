import { EngineError } from '../core/errors.ts';

export interface ApiErrorOptions extends ErrorOptions {
  /** The request's field that is wrong: `messages.0.content`. */
  readonly param?: string | undefined;
  /** For programs: `model_not_found`. */
  readonly code?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** An error as OpenAI's API tells it: an HTTP status and a body `{ error: { message, type, param, code } }`. */
export class ApiError extends Error {
  readonly status: number;
  readonly param: string | undefined;
  readonly code: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, message: string, options: ApiErrorOptions = {}) {
    super(message, options);
    this.name = 'ApiError';
    this.status = status;
    this.param = options.param;
    this.code = options.code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The client left before its answer: nobody reads this, but logs and metrics count it. */
export const CLIENT_CLOSED = 499;

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
  503: 'service_unavailable_error',
  504: 'timeout_error',
};

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

export const errorBody = ({ status, message, param, code }: ApiError): ErrorBody => ({
  error: {
    message,
    type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error'),
    param: param ?? null,
    code: code ?? null,
  },
});

/** Codes of the engine that are the caller's fault. */
const OF_CALLER = ['input', 'unsupported'];

/** What was thrown as the API tells it; what is a fault of the server tells nothing of its inside. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof EngineError && OF_CALLER.includes(error.code))
    return new ApiError(400, error.message, { cause: error });
  if (error instanceof EngineError && error.code === 'aborted')
    return new ApiError(CLIENT_CLOSED, 'the client closed the request', { cause: error });
  return new ApiError(500, 'internal error; see the log of the server', { cause: error });
}

export function errorResponse(error: ApiError): Response {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  // Clients of OpenAI retry timeouts by themselves, which would only add to the load.
  if (error.status === 504) headers['x-should-retry'] = 'false';
  return new Response(JSON.stringify(errorBody(error)), { status: error.status, headers });
}
