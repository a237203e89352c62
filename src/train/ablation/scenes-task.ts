import type { Picture } from '../../image/picture.ts';
import { createRandom, pickDistinct, type Random } from '../random.ts';
import { drawScene, PICTURE_SIZE } from '../scenes/draw.ts';
import { HELD_OUT_SCENES, nameOf, type Scene, TRAINED_SCENES } from '../scenes/scene.ts';
import { drawnOnce } from './drawn-once.ts';
import type { Example, Task } from './task.ts';

/** Uses of random numbers, apart from those of `train clip`. */
const USES = { order: 0x5c01, picture: 0x5c02, evaluation: 0x5c03 } as const;
/** Pictures of each composition that is trained on, and of each held-out one. */
const PICTURES = 8;
const ROUNDS = 2;

/** What is in the picture? "small striped red circle". Right is every word, of compositions that were never trained on. */
export function scenesTask(seed: number): Task {
  const trained = drawnOnce((i) => {
    const scene = TRAINED_SCENES[i % TRAINED_SCENES.length] as Scene;
    return exampleOf(scene, createRandom(seed, USES.picture, i));
  });
  const shown = Array.from({ length: ROUNDS }, () => HELD_OUT_SCENES).flat();
  return {
    frames: 1,
    imageSize: PICTURE_SIZE,
    answerTokens: 6,
    largestBatch: TRAINED_SCENES.length,
    batch(step, size) {
      const random = createRandom(seed, USES.order, step);
      const scenes = pickDistinct([...TRAINED_SCENES.keys()], size, random);
      return scenes.map((scene) => trained(scene + TRAINED_SCENES.length * random.integer(PICTURES)));
    },
    evaluation: shown.map((scene, i) => exampleOf(scene, createRandom(seed, USES.evaluation, i))),
    answers: HELD_OUT_SCENES.map(nameOf),
    isRight: (answer, truth) => answer === truth,
    chance: 1 / HELD_OUT_SCENES.length,
  };
}

const exampleOf = (scene: Scene, random: Random): Example => ({
  pixelValues: pixelValuesOf(drawScene(scene, random)),
  answer: nameOf(scene),
});

/** Rows of RGB bytes as [3, H, W] from -1 to 1. */
function pixelValuesOf({ width, height, data }: Picture): Float32Array {
  const plane = width * height;
  return Float32Array.from(
    { length: 3 * plane },
    (_, i) => (data[3 * (i % plane) + Math.floor(i / plane)] ?? 0) / 127.5 - 1,
  );
}
