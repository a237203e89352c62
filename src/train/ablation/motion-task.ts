import { createRandom, pickDistinct, type Random } from '../random.ts';
import { INSIDE, RGB } from '../scenes/draw.ts';
import { COLOURS, type Scene, SHAPES } from '../scenes/scene.ts';
import type { Example, Task } from './task.ts';
import { DIRECTIONS, type Direction } from './words.ts';

/** Side of a frame, and how far the shape goes. */
const SIZE = 24;
const WAY = 6;
/** Samples of a pixel along each axis. */
const SAMPLES = 2;
const USES = { order: 0x3071, clip: 0x3072, evaluation: 0x3073 } as const;
/** Clips of each colour and direction to judge by. */
const ROUNDS = 8;

/** Pixels along x and y for each pixel of way; y points down. */
const STEP: Readonly<Record<Direction, readonly [x: number, y: number]>> = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
};

interface Motion {
  readonly colour: Scene['colour'];
  readonly direction: Direction;
}

const MOTIONS: readonly Motion[] = COLOURS.flatMap((colour) =>
  DIRECTIONS.map((direction): Motion => ({ colour, direction })),
);

const sentenceOf = ({ colour, direction }: Motion): string => `${colour} moves ${direction}`;
const lastWord = (sentence: string): string => sentence.split(' ').at(-1) ?? '';

/**
 * Which way did it move? A shape goes a quarter of the frame's side in a line, from anywhere where there is room for that. A
 * clip that runs backwards is as likely as it is forwards, so frames without their order tell the axis of the motion and no
 * more: half of all clips. The first frame alone tells that there is room ahead: a third. Right is the direction.
 */
export function motionTask(frames: number, seed: number): Task {
  const example = (motion: Motion, random: Random): Example => ({
    pixelValues: drawClip(motion, frames, random),
    answer: sentenceOf(motion),
  });
  const shown = Array.from({ length: ROUNDS }, () => MOTIONS).flat();
  return {
    frames,
    imageSize: SIZE,
    answerTokens: 5,
    largestBatch: MOTIONS.length,
    batch(step, size) {
      const motions = pickDistinct(MOTIONS, size, createRandom(seed, USES.order, step));
      const random = createRandom(seed, USES.clip, step);
      return motions.map((motion) => example(motion, random));
    },
    evaluation: shown.map((motion, i) => example(motion, createRandom(seed, USES.evaluation, i))),
    answers: MOTIONS.map(sentenceOf),
    isRight: (answer, truth) => lastWord(answer) === lastWord(truth),
    chance: 1 / DIRECTIONS.length,
  };
}

/** [frames, 3, SIZE, SIZE], from -1 to 1. */
function drawClip({ colour, direction }: Motion, frames: number, random: Random): Float32Array {
  const inside = INSIDE[SHAPES[random.integer(SHAPES.length)] ?? 'circle'];
  const radius = random.between(4, 5);
  const [stepX, stepY] = STEP[direction];
  const [startX, startY] = [stepX, stepY].map((step) => startOf(step, random)) as [number, number];
  // Grey, the middle of the range: what is not ground stands out.
  const ground = random.between(-0.1, 0.1);
  const paint = RGB[colour].map((value) => value / 127.5 - 1);
  const values = new Float32Array(frames * 3 * SIZE ** 2);
  for (let frame = 0; frame < frames; frame++) {
    const way = (WAY * frame) / (frames - 1);
    const covered = coverage({ x: startX + way * stepX, y: startY + way * stepY, radius }, inside);
    covered.forEach((share, pixel) => {
      const grain = random.between(-0.04, 0.04);
      for (let channel = 0; channel < 3; channel++) {
        const value = share * (paint[channel] ?? 0) + (1 - share) * ground;
        values[(frame * 3 + channel) * SIZE ** 2 + pixel] = value + grain;
      }
    });
  }
  return values;
}

/** Along one axis: anywhere such that the way ends within the frame. */
const startOf = (step: number, random: Random): number =>
  step < 0 ? random.between(WAY, SIZE) : random.between(0, SIZE - WAY * step);

interface Disc {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** Share of each pixel of a frame that is inside, of SAMPLES x SAMPLES points. */
function coverage({ x, y, radius }: Disc, inside: (x: number, y: number) => boolean): Float32Array {
  const shares = new Float32Array(SIZE ** 2);
  const first = (at: number): number => Math.max(0, Math.floor(at - radius));
  const last = (at: number): number => Math.min(SIZE, at + radius);
  for (let row = first(y); row < last(y); row++) {
    for (let column = first(x); column < last(x); column++) {
      let covered = 0;
      for (let sample = 0; sample < SAMPLES ** 2; sample++) {
        const dx = column + ((sample % SAMPLES) + 0.5) / SAMPLES - x;
        const dy = row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES - y;
        if (inside(dx / radius, dy / radius)) covered++;
      }
      shares[row * SIZE + column] = covered / SAMPLES ** 2;
    }
  }
  return shares;
}
