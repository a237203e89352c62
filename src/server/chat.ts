import { randomUUID } from 'node:crypto';
import type { AnswerBatch, PickedToken } from '../generate/batch/batch.ts';
import type { GenerationResult } from '../generate/generation.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { ApiError, errorBody, toApiError } from './api-error.ts';
import { type ChatBounds, chatRequestOf, REFUSED_IN_CHAT } from './chat-request.ts';
import {
  type ChatIdentity,
  chatCompletion,
  firstChunk,
  lastChunk,
  pieceChunk,
  usageChunk,
} from './chat-response.ts';
import { readBody } from './read-body.ts';
import type { RequestRecord } from './request-record.ts';
import { type ChatRequestBody, chatRequest } from './schema.ts';

export interface ChatService extends ChatBounds {
  /** As /v1/models lists it. */
  readonly name: string;
  readonly batch: AnswerBatch;
  readonly tokenizer: Tokenizer;
  readonly maxWaiting: number;
  readonly maxBodyBytes: number;
}

/** Answers POST /v1/chat/completions. Throws ApiError before anything is sent. */
export async function answerChat(
  service: ChatService,
  request: Request,
  record: RequestRecord,
): Promise<Response> {
  const body = await readBody(request, chatRequest, service.maxBodyBytes, REFUSED_IN_CHAT);
  checkModel(body.model, service.name);
  checkRoom(service);
  const identity: ChatIdentity = {
    id: `chatcmpl-${randomUUID().replaceAll('-', '')}`,
    created: Math.floor(Date.now() / 1000),
    model: service.name,
  };
  return body.stream
    ? streamAnswer(service, body, identity, record)
    : wholeAnswer(service, body, identity, record);
}

export function checkModel(asked: string, served: string): void {
  if (asked === served) return;
  throw new ApiError(404, `the model "${asked}" is not served here; expected "${served}".`, {
    param: 'model',
    code: 'model_not_found',
  });
}

/** Throws ApiError 429 where too many wait already, with a guess of when there is room. */
function checkRoom({ batch, maxWaiting }: ChatService): void {
  const { waiting, slots } = batch.load;
  if (waiting < maxWaiting) return;
  throw new ApiError(429, `${waiting} requests wait already; try again later.`, {
    code: 'queue_full',
    retryAfterSeconds: Math.min(30, Math.max(1, Math.ceil(waiting / slots / 4))),
  });
}

async function wholeAnswer(
  service: ChatService,
  body: ChatRequestBody,
  identity: ChatIdentity,
  record: RequestRecord,
): Promise<Response> {
  const tokens: PickedToken[] = [];
  const { batch, tokenizer } = service;
  const request = chatRequestOf(body, service, record.client, record.signal);
  const result = await batch.answer(request, (piece) => tokens.push(...piece.tokens));
  record.answered(result);
  const wanted = request.topLogprobs === undefined ? undefined : tokens;
  return Response.json(chatCompletion(identity, result, wanted, tokenizer));
}

/** Server-sent events. They begin with the first text, so that what is wrong until then has its own HTTP status. */
async function streamAnswer(
  service: ChatService,
  body: ChatRequestBody,
  identity: ChatIdentity,
  record: RequestRecord,
): Promise<Response> {
  const { batch, tokenizer } = service;
  const request = chatRequestOf(body, service, record.client, record.signal);
  const events = createEventStream(record.abort);
  let begun: () => void = () => {};
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const begin = (): void => {
    if (record.streams) return;
    record.streams = true;
    events.send(firstChunk(identity));
    begun();
  };
  const finish = (result: GenerationResult): void => {
    record.answered(result);
    begin();
    events.send(lastChunk(identity, result));
    if (body.stream_options?.include_usage) events.send(usageChunk(identity, result));
    events.end();
    record.end(200);
  };
  const wantsLogprobs = request.topLogprobs !== undefined;
  const done = batch
    .answer(request, (piece) => {
      begin();
      events.send(pieceChunk(identity, piece, tokenizer, wantsLogprobs));
    })
    .then(finish, (cause: unknown) => {
      if (!record.streams) throw cause;
      const error = toApiError(record.explain(cause));
      events.send(errorBody(error));
      events.end();
      record.end(error.status, error);
    });
  await Promise.race([beginning, done]);
  return new Response(events.stream, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    },
  });
}

interface EventStream {
  readonly stream: ReadableStream<Uint8Array>;
  send(event: unknown): void;
  /** Sends the mark that ends a stream of the API. */
  end(): void;
}

function createEventStream(onLeave: () => void): EventStream {
  const encoder = new TextEncoder();
  let open = true;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const write = (data: string): void => {
    if (open) controller?.enqueue(encoder.encode(`data: ${data}\n\n`));
  };
  return {
    stream: new ReadableStream<Uint8Array>({
      start(given) {
        controller = given;
      },
      cancel() {
        open = false;
        onLeave();
      },
    }),
    send: (event) => write(JSON.stringify(event)),
    end() {
      write('[DONE]');
      if (open) controller?.close();
      open = false;
    },
  };
}
