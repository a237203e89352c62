import { create } from './elements.ts';

/** A bar of tesserae that are set one by one. */
export interface Mosaic {
  /** 0 to 1. */
  show(fraction: number): void;
}

const COLOURS = 6;

/** Fills `parent` with `count` tiles. Their colours come from a fixed shuffle, so that the bar looks the same each time. */
export function createMosaic(parent: HTMLElement, count: number): Mosaic {
  const tiles = Array.from({ length: count }, (_, i) =>
    create('span', { class: `tile tile-${(i * 7 + (i >> 2) * 3) % COLOURS}` }),
  );
  parent.replaceChildren(...tiles);
  return {
    show(fraction) {
      tiles.forEach((tile, i) => {
        tile.classList.toggle('set', i < Math.round(fraction * count));
      });
    },
  };
}
