import { z } from 'zod';
import { responseFormat } from './response-format.ts';

/** Requests as OpenAI's API has them: what is checked of each, and what the OpenAPI document says. */

const textPart = z.object({ type: z.literal('text'), text: z.string() });

const imagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object({
    url: z.string().describe('A data URL (data:image/png;base64,...) or an http(s) address.'),
    detail: z.enum(['auto', 'low', 'high']).optional().describe('Has no effect: the model decides.'),
  }),
});

const contentPart = z.discriminatedUnion('type', [textPart, imagePart]);
export type ContentPartBody = z.infer<typeof contentPart>;

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(contentPart).min(1)]),
  name: z.string().optional(),
});
export type MessageBody = z.infer<typeof message>;

export const MAX_TOP_LOGPROBS = 20;
const MAX_STOPS = 16;
const MAX_MESSAGES = 2048;

export const chatRequest = z.object({
  model: z.string().describe('As /v1/models lists it.'),
  messages: z.array(message).min(1).max(MAX_MESSAGES),
  max_completion_tokens: z.int().min(1).nullish(),
  max_tokens: z.int().min(1).nullish().describe('The older name of max_completion_tokens.'),
  temperature: z.number().min(0).max(2).nullish().describe('0 is greedy. Default as the checkpoint says.'),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish().describe('Not of OpenAI: the N likeliest tokens alone; 0 for all.'),
  min_p: z.number().min(0).max(1).nullish().describe('Not of OpenAI.'),
  repetition_penalty: z.number().min(0.01).nullish().describe('Not of OpenAI; 1 does nothing.'),
  n: z.int().nullish().describe('1 alone.'),
  stop: z.union([z.string(), z.array(z.string()).max(MAX_STOPS)]).nullish(),
  seed: z.int().nullish().describe('Repeats a sampled answer on the same adapter.'),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  response_format: responseFormat.nullish(),
  user: z.string().optional().describe('Has no effect.'),
});
export type ChatRequestBody = z.infer<typeof chatRequest>;

const MAX_INPUTS = 2048;

export const embeddingRequest = z.object({
  model: z.string(),
  input: z
    .union([
      z.string(),
      z
        .array(z.union([z.string(), contentPart]))
        .min(1)
        .max(MAX_INPUTS),
    ])
    .describe('A text, or a list of texts and, other than with OpenAI, of content parts: pictures too.'),
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.int().nullish().describe('The size that the model has, alone.'),
  user: z.string().optional(),
});
export type EmbeddingRequestBody = z.infer<typeof embeddingRequest>;
