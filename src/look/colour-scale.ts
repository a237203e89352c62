/** 8-bit red, green and blue. */
export type Colour = readonly [red: number, green: number, blue: number];

/** From dark to light by even steps, so that it also reads in grey and to those who see few colours. */
const STOPS: readonly Colour[] = [
  [12, 8, 44],
  [84, 24, 120],
  [184, 48, 96],
  [246, 128, 48],
  [255, 236, 128],
];

/** The colour of a value from 0 to 1; those beyond are taken for the nearest end, and NaN for 0. */
export function colourOf(value: number): Colour {
  const place = Math.min(Math.max(value || 0, 0), 1) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  const [from, to] = [STOPS[below] ?? [0, 0, 0], STOPS[below + 1] ?? [0, 0, 0]];
  const mix = (channel: 0 | 1 | 2): number =>
    Math.round(from[channel] + (to[channel] - from[channel]) * (place - below));
  return [mix(0), mix(1), mix(2)];
}

export const cssColour = (colour: Colour): string => `rgb(${colour.join(' ')})`;

/** Black or white, whichever reads on `colour`. */
export const inkOn = ([red, green, blue]: Colour): string =>
  0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#000' : '#fff';
