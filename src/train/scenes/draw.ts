import { createPicture, type Picture } from '../../image/picture.ts';
import type { Random } from '../random.ts';
import type { Scene } from './scene.ts';

/** Side of a picture in pixels. */
export const PICTURE_SIZE = 32;
/** A shape's centre is at most so many pixels off the picture's, along each axis. */
const MOST_SHIFT = 5;
/** Samples of a pixel along each axis: edges are smooth. */
const SAMPLES = 3;

type Rgb = readonly [red: number, green: number, blue: number];

export const RGB: Readonly<Record<Scene['colour'], Rgb>> = {
  red: [214, 40, 40],
  orange: [243, 140, 35],
  yellow: [240, 222, 60],
  green: [48, 165, 70],
  cyan: [60, 205, 215],
  blue: [50, 80, 215],
  purple: [150, 60, 190],
  white: [240, 240, 240],
};

/** Whether a point lies in the shape of radius 1 around the origin; y points down. */
export const INSIDE: Readonly<Record<Scene['shape'], (x: number, y: number) => boolean>> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.85,
  triangle: (x, y) => y <= 0.8 && Math.abs(x) <= (y + 1) / 1.8,
  cross: (x, y) => (Math.abs(x) <= 0.32 && Math.abs(y) <= 1) || (Math.abs(y) <= 0.32 && Math.abs(x) <= 1),
  ring: (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.3,
  diamond: (x, y) => Math.abs(x) / 0.75 + Math.abs(y) <= 1,
  star: insideStar,
  heart: (x, y) => {
    const [u, v] = [1.25 * x, -1.25 * y];
    return (u * u + v * v - 1) ** 3 - u * u * v ** 3 <= 0;
  },
};

/** Five points: the radius falls from 1 at a point to 0.42 between two. */
function insideStar(x: number, y: number): boolean {
  const fifth = (2 * Math.PI) / 5;
  const angle = Math.atan2(x, -y) + 2 * Math.PI;
  const toPoint = Math.abs((angle % fifth) - fifth / 2) / (fifth / 2);
  // The edge from (1, point) to (0.42, between) is a straight line.
  const [inner, half] = [0.42, fifth / 2];
  const theta = (1 - toPoint) * half;
  const edge =
    (inner * Math.sin(half)) /
    (Math.sin(theta) * (1 - inner * Math.cos(half)) + Math.cos(theta) * inner * Math.sin(half));
  return Math.hypot(x, y) <= edge;
}

/** How bright the shape is at a pixel of the picture: textures are fixed to the picture, not to the shape. */
const SHADE: Readonly<Record<Scene['texture'], (x: number, y: number) => number>> = {
  plain: () => 1,
  striped: (x, y) => (Math.floor((x + y) / 2.5) % 2 === 0 ? 1 : 0.3),
  dotted: (x, y) => (Math.hypot((x % 4) - 2, (y % 4) - 2) <= 1.25 ? 0.2 : 1),
};

/** Draws a scene at a random place, turned and tinted a little, on a dark background. The same numbers, the same picture. */
export function drawScene({ size, texture, colour, shape }: Scene, random: Random): Picture {
  const radius = size === 'small' ? random.between(6.5, 8) : random.between(11.5, 13.5);
  const reach = Math.min(MOST_SHIFT, PICTURE_SIZE / 2 - radius);
  const [left, top] = [0, 1].map(() => PICTURE_SIZE / 2 + random.between(-reach, reach)) as [number, number];
  const turn = random.between(-0.2, 0.2);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const tint = RGB[colour].map((value) => value + random.between(-15, 15));
  const background = [0, 1, 2].map(() => random.between(10, 80));
  const [phaseX, phaseY] = [random.between(0, 5), random.between(0, 5)];
  const inside = INSIDE[shape];
  const shade = SHADE[texture];

  const data = new Uint8Array(PICTURE_SIZE ** 2 * 3);
  for (let y = 0; y < PICTURE_SIZE; y++) {
    for (let x = 0; x < PICTURE_SIZE; x++) {
      let [covered, brightness] = [0, 0];
      for (let sample = 0; sample < SAMPLES ** 2; sample++) {
        const px = x + ((sample % SAMPLES) + 0.5) / SAMPLES;
        const py = y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES;
        const [dx, dy] = [(px - left) / radius, (py - top) / radius];
        if (!inside(cos * dx + sin * dy, cos * dy - sin * dx)) continue;
        covered++;
        brightness += shade(px + phaseX, py + phaseY);
      }
      const grain = random.between(-6, 6);
      const [share, light] = [covered / SAMPLES ** 2, brightness / SAMPLES ** 2];
      for (let channel = 0; channel < 3; channel++) {
        const value = (tint[channel] ?? 0) * light + (background[channel] ?? 0) * (1 - share) + grain;
        data[(y * PICTURE_SIZE + x) * 3 + channel] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return createPicture(PICTURE_SIZE, PICTURE_SIZE, data);
}
