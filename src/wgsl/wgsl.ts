import { EngineError } from '../core/errors.ts';

/** WGSL language extensions a text may need; each becomes an `enable` line. */
export type WgslExtension = 'f16' | 'subgroups';

/** A named piece of WGSL shared between kernels, e.g. a workgroup reduction. Included once however often it is used. */
export interface Snippet {
  readonly name: string;
  readonly code: string;
  readonly requires?: readonly WgslExtension[];
  readonly uses?: readonly Snippet[];
}

/** WGSL text and the snippets it calls. */
export interface WgslSource {
  readonly code: string;
  readonly snippets: readonly Snippet[];
  readonly requires: readonly WgslExtension[];
}

type Part = string | number | Snippet | WgslSource | readonly (string | number)[];

/**
 * Tagged template for WGSL. Strings and numbers are inserted as they are, arrays line by line at the indentation of
 * their place, a Snippet adds its definition to the text and inserts nothing, another WgslSource is inlined.
 * Anything else (undefined, boolean) throws.
 */
export function wgsl(strings: TemplateStringsArray, ...parts: readonly Part[]): WgslSource {
  const snippets = new Map<string, Snippet>();
  const requires = new Set<WgslExtension>();
  let code = strings[0] ?? '';
  parts.forEach((part, i) => {
    code += insert(part, indentation(code), snippets, requires) + (strings[i + 1] ?? '');
  });
  return { code: dedent(code), snippets: [...snippets.values()], requires: [...requires] };
}

/** Body, its snippets and its `enable` lines as one module; `header` holds the bindings. */
export function assemble(header: string, body: WgslSource): string {
  const enables = new Set(body.requires);
  const ordered: string[] = [];
  const seen = new Set<string>();
  const add = (snippet: Snippet): void => {
    if (seen.has(snippet.name)) return;
    seen.add(snippet.name);
    for (const used of snippet.uses ?? []) add(used);
    for (const extension of snippet.requires ?? []) enables.add(extension);
    ordered.push(dedent(snippet.code));
  };
  for (const snippet of body.snippets) add(snippet);
  if (/\bf16\b/.test(header)) enables.add('f16');
  const directives = [...enables]
    .sort()
    .map((extension) => `enable ${extension};`)
    .join('\n');
  return `${[directives, header, ...ordered, body.code].filter((text) => text !== '').join('\n\n')}\n`;
}

function insert(
  part: Part,
  indent: string,
  snippets: Map<string, Snippet>,
  requires: Set<WgslExtension>,
): string {
  if (typeof part === 'string' || typeof part === 'number') return String(part);
  if (isList(part)) return part.join(`\n${indent}`);
  if (typeof part === 'object' && part !== null) {
    if ('name' in part) {
      snippets.set(part.name, part);
      return '';
    }
    for (const snippet of part.snippets) snippets.set(snippet.name, snippet);
    for (const extension of part.requires) requires.add(extension);
    return part.code.split('\n').join(`\n${indent}`);
  }
  throw new EngineError(
    'internal',
    `wgsl: cannot insert ${String(part)}; expected a string, number, array or snippet.`,
  );
}

const isList = (part: Part): part is readonly (string | number)[] => Array.isArray(part);

/** White space before the cursor on the last line of `text`. */
const indentation = (text: string): string => /(?:^|\n)([ \t]*)[^\n]*$/.exec(text)?.[1] ?? '';

/** Removes the common indentation and the blank lines around. */
export function dedent(text: string): string {
  const lines = text
    .replace(/^(?:[ \t]*\n)+/, '')
    .trimEnd()
    .split('\n');
  const indents = lines
    .filter((line) => line.trim() !== '')
    .map((line) => line.length - line.trimStart().length);
  const common = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return lines.map((line) => line.slice(Math.min(common, line.length)).trimEnd()).join('\n');
}
