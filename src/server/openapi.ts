import { z } from 'zod';
import { chatRequest, embeddingRequest } from './schema.ts';

/** The OpenAPI document of the server: request bodies come from the schemas that check them. */
export function openApiDocument(version: string) {
  const errors = Object.fromEntries(
    Object.entries(ERRORS).map(([status, description]) => [
      status,
      { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } },
    ]),
  );
  const post = (summary: string, schema: string, content: Readonly<Record<string, unknown>>) => ({
    post: {
      summary,
      security: [{ key: [] }],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
      },
      responses: { 200: { description: 'As OpenAI answers.', content }, ...errors },
    },
  });
  const get = (summary: string, type = 'application/json') => ({
    get: { summary, responses: { 200: { description: summary, content: { [type]: {} } } } },
  });
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tessera',
      version,
      description: "Vision language models behind the part of OpenAI's API that they can serve.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: {
      '/v1/chat/completions': post('Answer a conversation with pictures', 'ChatRequest', {
        'application/json': {},
        'text/event-stream': {},
      }),
      '/v1/embeddings': post('Texts and pictures as unit vectors', 'EmbeddingRequest', {
        'application/json': {},
      }),
      '/v1/models': { get: { ...get('The models served here').get, security: [{ key: [] }] } },
      '/health': get('Whether the server takes requests, and how many run and wait'),
      '/metrics': get('Metrics in the text format of Prometheus', 'text/plain'),
      '/openapi.json': get('This document'),
    },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: {
        ChatRequest: jsonSchema(chatRequest),
        EmbeddingRequest: jsonSchema(embeddingRequest),
        Error: {
          type: 'object',
          required: ['error'],
          properties: {
            error: {
              type: 'object',
              required: ['message', 'type', 'param', 'code'],
              properties: {
                message: { type: 'string' },
                type: { type: 'string' },
                param: { type: ['string', 'null'] },
                code: { type: ['string', 'null'] },
              },
            },
          },
        },
      },
    },
  };
}

const ERRORS: Readonly<Record<number, string>> = {
  400: 'The request is wrong; param names the field.',
  401: 'The API key is missing or unknown.',
  404: 'The model is not served here.',
  413: 'The body is too large.',
  429: 'Too many requests wait; Retry-After says when to try again.',
  503: 'The server is shutting down.',
  504: 'There was no whole answer in time.',
};

/** `input`: fields with a default may be left out. */
const jsonSchema = (schema: z.ZodType) => {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' });
  return rest;
};
