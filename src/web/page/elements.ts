import { invariant } from '../../core/errors.ts';

/** The element of the page with this id. */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  invariant(found instanceof kind, `the page has no ${kind.name} "${id}"`);
  return found;
}

type Child = Node | string;

/** A new element with attributes and children; texts are never read as markup. */
export function create<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The same of an SVG drawing. */
export function createSvg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string | number>> = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** Shows or clears the line that says what went wrong. */
export function showError(line: HTMLElement, error: unknown): void {
  line.hidden = error === undefined;
  line.textContent = error === undefined ? '' : messageOf(error);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether an error only says that someone pressed stop. */
export const isStopped = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** For those who listen: says a sentence once. */
export function announce(text: string): void {
  element('announcer', HTMLParagraphElement).textContent = text;
}
