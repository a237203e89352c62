import { elementCount } from '../core/shape.ts';
import type { VisionLayout } from '../models/model.ts';
import { compareIds } from './compare.ts';
import type { MadePrompt } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

/** What the reference recorded beside the pixels of a run's media → the same here, from how they were laid out. */
const RECORDED: ReadonlyMap<string, (layouts: readonly VisionLayout[]) => readonly number[]> = new Map([
  ['inputs.image_sizes', (layouts) => layouts.flatMap(({ imageSize }) => imageSize ?? [])],
  ['inputs.pixel_attention_mask', (layouts) => layouts.flatMap(pixelMask)],
  ['inputs.batch_num_images', groupSizes],
]);

/** Sizes and masks of the run's media, against those the reference fed its model. */
export async function* verifyLayouts(
  { prompt }: MadePrompt,
  reference: Reference,
  run: ReferenceRun,
): AsyncGenerator<StageResult> {
  const layouts = prompt.media.map(({ layout }) => layout);
  for (const [stage, valuesOf] of RECORDED) {
    if (!reference.has(run, stage)) continue;
    const where = { run: run.name, stage, shape: reference.shape(run, stage) };
    const actual = valuesOf(layouts);
    yield compareIds(where, actual, [...(await reference.integers(run, stage))]);
  }
}

/** Tiles without padding are all picture. */
function pixelMask({ tile, tiles }: VisionLayout): readonly number[] {
  return new Array<number>(tiles * elementCount(tile.shape.slice(1))).fill(1);
}

/** A picture that is cut is alone in its conversation; those that are not belong to one. */
function groupSizes(layouts: readonly VisionLayout[]): readonly number[] {
  const pictures = layouts.filter(({ tile }) => tile.kind === 'image');
  const whole = pictures.filter(({ tileGrid }) => !tileGrid).length;
  return whole > 0 ? [whole] : pictures.map(() => 1);
}
