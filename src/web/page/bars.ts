import { create } from './elements.ts';
import { percent } from './quantities.ts';

export interface Bar {
  readonly name: string;
  readonly note?: string;
  /** 0 to 1. */
  readonly fraction: number;
}

/** Bars of tesserae with their names and values. */
export function showBars(list: HTMLElement, bars: readonly Bar[]): void {
  list.replaceChildren(
    ...bars.map(({ name, note, fraction }) => {
      const filled = create('span', { class: 'bar-filled' });
      filled.style.inlineSize = `${(100 * Math.min(Math.max(fraction, 0), 1)).toFixed(2)}%`;
      return create(
        'li',
        {},
        create(
          'span',
          { class: 'bar-name' },
          name,
          ...(note ? [create('span', { class: 'quiet' }, ` ${note}`)] : []),
        ),
        create('span', { class: 'bar-value' }, percent(fraction)),
        create('span', { class: 'bar-track', 'aria-hidden': 'true' }, filled),
      );
    }),
  );
}
