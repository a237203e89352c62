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

/** The commands of a shell block as words: joined over `\` at a line's end, cut at pipes, `&&`, `;` and comments. */
export function commandsOf({ code }: Block): string[][] {
  const commands: string[][] = [];
  for (const line of code.replace(/\\\n/g, ' ').split('\n')) {
    let words: string[] = [];
    commands.push(words);
    for (const [word] of line.matchAll(/"[^"]*"|'[^']*'|[^\s"']+/g)) {
      if (word.startsWith('#')) break;
      if (/^(\||\|\||&&|;)$/.test(word)) {
        words = [];
        commands.push(words);
      } else words.push(word.replace(/^(["'])(.*)\1$/, '$2'));
    }
  }
  return commands.filter((words) => words.length > 0);
}
