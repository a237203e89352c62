import { z } from 'zod';
import { ApiError } from './api-error.ts';
import type { AnswerFormat } from './grammar.ts';

/** Of a schema, as JSON: what a grammar is made of takes time, and comes from strangers. */
const MAX_SCHEMA_LENGTH = 20_000;
const MAX_SCHEMA_DEPTH = 12;

export const responseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }).describe('The answer is a JSON object or list.'),
  z
    .object({
      type: z.literal('json_schema'),
      json_schema: z.object({
        name: z.string(),
        description: z.string().optional(),
        schema: z.record(z.string(), z.unknown()),
        strict: z.boolean().nullish().describe('Schemas are always followed to the letter.'),
      }),
    })
    .describe(
      'The answer follows the schema, which may use type, properties, required, additionalProperties, items, enum, const and anyOf.',
    ),
]);
export type ResponseFormatBody = z.infer<typeof responseFormat>;

/** What of a JSON schema is followed. Nothing that counts: a grammar grows with the number. */
const FOLLOWED = [
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'enum',
  'const',
  'anyOf',
] as const;
/** What changes nothing. */
const NOTES = ['title', 'description', 'default', 'examples', '$schema', '$id', '$comment'];
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];

type Schema = Readonly<Record<string, unknown>>;

/** How an answer is bound; undefined for text. Throws ApiError for a schema that is not followed whole. */
export function answerFormatOf(format: ResponseFormatBody | null | undefined): AnswerFormat | undefined {
  if (!format || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { kind: 'json' };
  const { schema } = format.json_schema;
  if (JSON.stringify(schema).length > MAX_SCHEMA_LENGTH) {
    throw refused('schema', `is over ${MAX_SCHEMA_LENGTH} characters; expected fewer`);
  }
  return { kind: 'schema', schema: followed(schema, 'schema', 0) };
}

/** The schema without notes. */
function followed(schema: unknown, where: string, depth: number): Schema {
  if (!isRecord(schema)) throw refused(where, 'is no object; expected a JSON schema');
  if (depth > MAX_SCHEMA_DEPTH) throw refused(where, `lies over ${MAX_SCHEMA_DEPTH} levels deep`);
  const inner = (value: unknown, name: string): Schema => followed(value, `${where}.${name}`, depth + 1);
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (NOTES.includes(name)) continue;
    if (!FOLLOWED.some((known) => known === name)) {
      throw refused(`${where}.${name}`, `is not followed here; expected ${FOLLOWED.join(', ')}`);
    }
    if (name === 'type') checkTypes(value, where);
    if (name === 'items') kept[name] = inner(value, name);
    else if (name === 'properties' && isRecord(value)) {
      const properties = Object.entries(value);
      kept[name] = Object.fromEntries(properties.map(([key, own]) => [key, inner(own, `properties.${key}`)]));
    } else if (name === 'anyOf' && Array.isArray(value) && value.length > 0) {
      kept[name] = value.map((own, i) => inner(own, `anyOf.${i}`));
    } else if (name === 'additionalProperties' && isRecord(value)) kept[name] = inner(value, name);
    else checkPlain(name, value, where, kept);
  }
  return kept;
}

function checkTypes(value: unknown, where: string): void {
  const types: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (types.length > 0 && types.every((type) => TYPES.some((known) => known === type))) return;
  throw refused(`${where}.type`, `is ${JSON.stringify(value)}; expected of ${TYPES.join(', ')}`);
}

/** Those whose values hold no schemas. */
function checkPlain(name: string, value: unknown, where: string, kept: Record<string, unknown>): void {
  const isFine =
    name === 'type' ||
    name === 'const' ||
    (name === 'enum' && Array.isArray(value) && value.length > 0) ||
    (name === 'additionalProperties' && typeof value === 'boolean') ||
    (name === 'required' && Array.isArray(value) && value.every((key) => typeof key === 'string'));
  if (!isFine)
    throw refused(`${where}.${name}`, `is ${JSON.stringify(value)}; expected what JSON Schema says`);
  kept[name] = value;
}

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refused = (where: string, what: string): ApiError =>
  new ApiError(400, `response_format.json_schema.${where}: ${what}.`, {
    param: 'response_format',
    code: 'unsupported_parameter',
  });
