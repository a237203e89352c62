import type { Picture } from '../../image/picture.ts';
import { drawScene } from './draw.ts';
import { captionOf, HELD_OUT_SCENES, SCENES, type Scene, TRAINED_SCENES } from './scene.ts';
import { evaluationRandom } from './training.ts';

/** What is asked of a model: which label fits a picture best. A `ContrastiveModel` can do it. */
export interface PictureClassifier {
  classify(
    pictures: readonly Picture[],
    labels: readonly string[],
  ): Promise<readonly (readonly { readonly label: string }[])[]>;
}

/** Shares of pictures whose class came first, of classes told by text alone. */
export interface SceneAccuracy {
  /** Pictures of compositions never trained on, among those 96. */
  readonly heldOut: number;
  /** The same pictures among all 384 compositions. */
  readonly heldOutAmongAll: number;
  /** Pictures of trained compositions among all 384. */
  readonly trained: number;
}

/** Classes of each kind, and what guessing would get right. */
export const CLASS_COUNTS = { heldOut: HELD_OUT_SCENES.length, all: SCENES.length } as const;

/** Pictures that no training saw are classified by text prompts; `rounds` pictures of each held-out composition. */
export async function evaluateScenes(
  model: PictureClassifier,
  { seed, rounds }: { readonly seed: number; readonly rounds: number },
): Promise<SceneAccuracy> {
  const heldOut = Array.from({ length: rounds }, () => HELD_OUT_SCENES).flat();
  const trained = Array.from({ length: rounds }, () => TRAINED_SCENES.filter((_, i) => i % 3 === 0)).flat();
  return {
    heldOut: await accuracy(model, heldOut, HELD_OUT_SCENES, seed),
    heldOutAmongAll: await accuracy(model, heldOut, SCENES, seed),
    trained: await accuracy(model, trained, SCENES, seed),
  };
}

async function accuracy(
  model: PictureClassifier,
  shown: readonly Scene[],
  classes: readonly Scene[],
  seed: number,
): Promise<number> {
  const pictures = shown.map((scene, i) => drawScene(scene, evaluationRandom(seed, i)));
  const prompts = new Map(classes.map((scene) => [scene, captionOf(scene, 'a picture of a {}')]));
  const results = await model.classify(pictures, [...prompts.values()]);
  const right = shown.filter((scene, i) => results[i]?.[0]?.label === prompts.get(scene));
  return right.length / shown.length;
}
