import type { BatchRequest } from '../generate/batch/batch.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { ApiError } from './api-error.ts';
import type { Grammars } from './grammar.ts';
import { openPicture, type PictureLimits } from './open-picture.ts';
import { answerFormatOf } from './response-format.ts';
import type { ChatRequestBody, MessageBody } from './schema.ts';

/** Fields of OpenAI's API that would change the answer and are not served, each with what to do instead. */
export const REFUSED_IN_CHAT: Readonly<Record<string, string>> = {
  tools: 'Put what the model should know of tools into a message.',
  functions: 'Put what the model should know of functions into a message.',
  audio: 'Ask for text alone.',
  logit_bias: 'Leave it out.',
  frequency_penalty: 'Use repetition_penalty.',
  presence_penalty: 'Use repetition_penalty.',
};

export interface ChatLimits {
  readonly pictures: PictureLimits;
  /** Pictures of one conversation. */
  readonly maxPictures: number;
  /** Tokens of an answer. */
  readonly maxTokens: number;
}

export interface ChatBounds {
  readonly limits: ChatLimits;
  readonly grammars: Grammars;
}

/** A conversation of the API as a request to the engine. Throws ApiError for what is not served. */
export function chatRequestOf(
  body: ChatRequestBody,
  { limits, grammars }: ChatBounds,
  client: string,
  signal: AbortSignal,
): BatchRequest {
  checkServed(body);
  checkPictureCount(body, limits.maxPictures);
  const { temperature, top_p, top_k, min_p, repetition_penalty, stop, seed } = body;
  const wanted = body.max_completion_tokens ?? body.max_tokens;
  const format = answerFormatOf(body.response_format);
  return {
    messages: () => openMessages(body.messages, limits.pictures, signal),
    client,
    signal,
    maxNewTokens: Math.min(wanted ?? limits.maxTokens, limits.maxTokens),
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    constraint: format && ((vocabulary) => grammars.constraint(format, vocabulary)),
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    ...(typeof temperature === 'number' ? { temperature } : {}),
    ...(typeof top_p === 'number' ? { topP: top_p } : {}),
    ...(typeof top_k === 'number' ? { topK: top_k } : {}),
    ...(typeof min_p === 'number' ? { minP: min_p } : {}),
    ...(typeof repetition_penalty === 'number' ? { repetitionPenalty: repetition_penalty } : {}),
    // Seeds of the API may be negative.
    ...(typeof seed === 'number' ? { seed: Math.abs(seed) } : {}),
  };
}

function checkServed({ n, logprobs, top_logprobs }: ChatRequestBody): void {
  if (typeof n === 'number' && n !== 1) {
    throw new ApiError(400, `n: is ${n}; expected 1. Send the request ${n} times.`, { param: 'n' });
  }
  if (typeof top_logprobs === 'number' && !logprobs) {
    throw new ApiError(400, 'top_logprobs: needs logprobs to be true.', { param: 'top_logprobs' });
  }
}

function checkPictureCount({ messages }: ChatRequestBody, maxPictures: number): void {
  const parts = messages.flatMap(({ content }) => (typeof content === 'string' ? [] : content));
  const count = parts.filter(({ type }) => type === 'image_url').length;
  if (count > maxPictures) {
    throw new ApiError(400, `messages: hold ${count} pictures; expected at most ${maxPictures}.`, {
      param: 'messages',
    });
  }
}

/** One picture after another, so that a long conversation does not decode all at once. */
async function openMessages(
  bodies: readonly MessageBody[],
  limits: PictureLimits,
  signal: AbortSignal,
): Promise<Message[]> {
  const messages: Message[] = [];
  for (const [i, { role, content }] of bodies.entries()) {
    const parts: ContentPart[] = [];
    for (const [j, part] of (typeof content === 'string' ? [] : content).entries()) {
      if (part.type === 'text') parts.push(part);
      else {
        const param = `messages.${i}.content.${j}.image_url.url`;
        parts.push({ type: 'image', image: await openPicture(part.image_url.url, limits, param, signal) });
      }
    }
    // Newer names of the API that no chat template knows.
    const templateRole = role === 'developer' ? 'system' : role;
    messages.push({ role: templateRole, content: typeof content === 'string' ? content : parts });
  }
  return messages;
}
