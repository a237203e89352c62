import { create } from './elements.ts';

/**
 * The words of an answer as buttons, of which one is in the order of the Tab key; arrow keys go to the others.
 * `onWord` is told which one is pointed at or focused, undefined for none.
 */
export function showWords(
  parent: HTMLElement,
  words: readonly string[],
  onWord: (index: number | undefined) => void,
): void {
  let pinned: number | undefined;
  const select = (index: number | undefined): void => {
    buttons.forEach((button, i) => {
      button.setAttribute('aria-pressed', String(i === index));
      if (index !== undefined) button.tabIndex = i === index ? 0 : -1;
    });
    onWord(index);
  };
  const buttons = words.map((word, i) => {
    const button = create('button', { type: 'button', class: 'word', 'aria-pressed': 'false' }, word.trim());
    button.tabIndex = i === 0 ? 0 : -1;
    button.addEventListener('click', () => {
      pinned = i;
      select(i);
    });
    button.addEventListener('focus', () => {
      // By keyboard; a pointer's focus is followed by its click.
      if (button.matches(':focus-visible') && pinned !== i) {
        pinned = i;
        select(i);
      }
    });
    button.addEventListener('pointerenter', ({ pointerType }) => {
      if (pointerType === 'mouse' && pinned !== undefined) select(i);
    });
    return button;
  });
  parent.onpointerleave = () => {
    if (pinned !== undefined) select(pinned);
  };
  parent.onkeydown = (event) => {
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === 'Escape') {
      pinned = undefined;
      select(undefined);
    }
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    buttons[Math.min(Math.max(to, 0), buttons.length - 1)]?.focus();
  };
  parent.replaceChildren(...words.flatMap((word, i) => [/^\s*/.exec(word)?.[0] ?? '', buttons[i] ?? '']));
}
