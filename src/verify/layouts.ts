import { elementCount } from '../core/shape.ts';
import type { VisionLayout } from '../models/model.ts';
import { compareIds } from './compare.ts';
import type { MadePrompt } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

/** What the reference recorded beside the pixels of a run's pictures → the same here, from how they were laid out. */
const RECORDED: ReadonlyMap<string, (layout: VisionLayout) => readonly number[]> = new Map([
  ['inputs.image_sizes', ({ imageSize }) => imageSize ?? []],
  ['inputs.pixel_attention_mask', pixelMask],
]);

/** Sizes and masks of the run's pictures, against those the reference fed its model. */
export async function* verifyLayouts(
  { prompt }: MadePrompt,
  reference: Reference,
  run: ReferenceRun,
): AsyncGenerator<StageResult> {
  const pictures = prompt.media.filter(({ kind }) => kind === 'image');
  for (const [stage, valuesOf] of RECORDED) {
    if (!reference.has(run, stage)) continue;
    const where = { run: run.name, stage, shape: reference.shape(run, stage) };
    const actual = pictures.flatMap(({ layout }) => valuesOf(layout));
    yield compareIds(where, actual, [...(await reference.integers(run, stage))]);
  }
}

/** Tiles without padding are all picture. */
function pixelMask({ tile, tiles }: VisionLayout): readonly number[] {
  return new Array<number>(tiles * elementCount(tile.shape.slice(1))).fill(1);
}
