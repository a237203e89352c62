/** A fenced block of a Markdown file. */
export interface Block {
  /** What follows the opening fence: `ts`, `ts check-only`, `sh`. */
  readonly info: string;
  readonly code: string;
  /** Number of its first line of code in the document, from 1. */
  readonly line: number;
}

/** The fenced blocks of a document, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let open: { info: string; line: number; code: string[] } | undefined;
  markdown.split('\n').forEach((text, i) => {
    const fence = /^```(.*)$/.exec(text);
    if (fence && open) {
      blocks.push({ ...open, code: open.code.join('\n') });
      open = undefined;
    } else if (fence) open = { info: (fence[1] ?? '').trim(), line: i + 2, code: [] };
    else open?.code.push(text);
  });
  return blocks;
}

/** The blocks as one text, each at the line where it stands in the document, so that errors name that line. */
export function inPlace(blocks: readonly Block[]): string {
  const lines: string[] = [];
  for (const { code, line } of blocks) {
    while (lines.length < line - 1) lines.push('');
    lines.push(...code.split('\n'));
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The commands of a shell block as words, without variables before them; `|`, `&&`, `;` and `#` end one.
 * In a `console` block, commands follow a `$` and all else is output.
 */
export const commandsOf = ({ info, code }: Block): string[][] =>
  (info === 'console' ? (code.match(/(?<=^\$ ).*$/gm) ?? []).join('\n') : code)
    .replace(/\\\n/g, ' ')
    .replace(/(^|\s)#.*$/gm, '')
    .split(/\n|\s\|\|?\s|&&|;/)
    .map((line) => [...line.replace(/^\s*(\w+=\S*\s+)+/, '').matchAll(/"[^"]*"|'[^']*'|[^\s"']+/g)])
    .map((words) => words.map(([word]) => word.replace(/^(["'])(.*)\1$/, '$2')))
    .filter((words) => words.length > 0);
