import type { z } from 'zod';
import { ApiError } from './api-error.ts';

/** The request's body as `schema` has it. Throws ApiError naming the first field that is wrong. */
export async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
  maxBytes: number,
  refused: Readonly<Record<string, string>> = {},
): Promise<z.infer<Schema>> {
  const type = request.headers.get('content-type') ?? 'none';
  // Pages of other sites can send any other type without asking the server first.
  if (!/^application\/json\b/i.test(type))
    throw new ApiError(415, `the content type is ${type}; expected application/json.`);
  const json = parseJson(await readText(request, maxBytes));
  for (const [field, remedy] of Object.entries(refused)) {
    if (isGiven(json, field))
      throw new ApiError(400, `${field}: is not served here. ${remedy}`, {
        param: field,
        code: 'unsupported_parameter',
      });
  }
  const { success, data, error } = schema.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  const param = issue?.path.join('.') ?? '';
  throw new ApiError(400, `${param || 'body'}: ${issue?.message ?? 'is not valid'}.`, {
    param: param || undefined,
  });
}

/** Throws ApiError 413 as soon as the body is known to be too long. */
async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLong = (): ApiError =>
    new ApiError(413, `the body is over ${maxBytes} bytes; expected fewer. Shrink the pictures.`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) throw tooLong();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ApiError(400, `the body is no JSON (${(cause as Error).message}).`, { cause });
  }
}

/** Whether a field asks for something: clients send null and empty lists for what they do not use. */
function isGiven(json: unknown, field: string): boolean {
  if (typeof json !== 'object' || json === null || !(field in json)) return false;
  const value: unknown = (json as Record<string, unknown>)[field];
  return value !== null && value !== false && value !== 0 && !(Array.isArray(value) && value.length === 0);
}
