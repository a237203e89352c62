import { WeightError } from '../core/errors.ts';

/** Checkpoint JSON nests a handful of levels; a deeper one is made to exhaust memory. */
const MAX_DEPTH = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Cuts text from outside short for a message: a hostile file must not fill the terminal. */
export const clip = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

/** A value from outside as it stands in a message, cut short; `missing` for undefined. */
export const showJson = (value: unknown): string => clip(JSON.stringify(value) ?? 'missing');

/**
 * UTF-8 JSON as a value, stricter than JSON.parse: invalid UTF-8, a key given twice in one object (JSON.parse
 * keeps the last and hides the first) and nesting over 64 levels are refused. `where` names the file.
 * Keys such as `__proto__` are own properties; read them with Object.entries. Throws WeightError.
 */
export function parseStrictJson(bytes: Uint8Array, where: string): unknown {
  const text = decodeUtf8(bytes, where);
  checkNesting(text, where);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WeightError(`${where}: invalid JSON (${clip(messageOf(cause))}); expected a JSON document.`, {
      cause,
    });
  }
}

function decodeUtf8(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new WeightError(`${where}: ${bytes.length} bytes that are not valid UTF-8; expected UTF-8 JSON.`, {
      cause,
    });
  }
}

/**
 * Walks the punctuation of `text` once: linear, without recursion or regular expressions, which hostile text
 * could make slow. Text that is not JSON at all is left to JSON.parse, which says better what is wrong with it.
 */
function checkNesting(text: string, where: string): void {
  // One entry per open bracket: the keys seen so far for an object, undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const end = endOfString(text, i);
      if (isFollowedByColon(text, end)) addKey(open.at(-1), text.slice(i, end), where);
      i = end - 1;
    }
    if (open.length > MAX_DEPTH) {
      throw new WeightError(`${where}: JSON nested over ${MAX_DEPTH} levels; expected a checkpoint's JSON.`);
    }
  }
}

/** Index behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}

function isFollowedByColon(text: string, start: number): boolean {
  let i = start;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return text[i] === ':';
}

function addKey(keys: Set<string> | undefined, literal: string, where: string): void {
  if (keys === undefined) return;
  const key = decodeKey(literal);
  if (keys.has(key)) {
    throw new WeightError(`${where}: key ${showJson(key)} occurs twice; expected each key once.`);
  }
  keys.add(key);
}

/** Escapes are resolved, so that `"a"` and its escaped spelling count as one key. */
function decodeKey(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    // A bad escape: JSON.parse of the whole document reports it with its position.
    return literal;
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
