import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import { type Prompt, promptOfIds } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import { compareIds, compareValues } from './compare.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';
import { captureDecoder } from './stages.ts';

/** Stages recorded by the rule of transformers 4.x, where it gives other positions than that of 5.x. */
const POSITIONS = 'mrope.position_ids_4x';
const LAST_LOGITS = 'logits_4x_last8';

/** Positions by the rule of transformers 4.x and the logits that follow, where a reference has them too. */
export async function* verifyMropeRule4x(
  runtime: ModelRuntime,
  { createProcessor }: CheckpointAssets,
  reference: Reference,
  run: ReferenceRun,
  { tokenIds, media }: Prompt,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const { vision } = runtime.model;
  if (!vision || !createProcessor || !reference.has(run, POSITIONS)) return;
  const processor = createProcessor({ ...run.processor, mrope_rule: '4x' });
  const prompt = promptOfIds(tokenIds, media, processor, vision);
  yield compareIds(
    { run: run.name, stage: POSITIONS, shape: reference.shape(run, POSITIONS) },
    prompt.positions.flatMap((axis) => [...axis]),
    [...(await reference.integers(run, POSITIONS))],
  );
  if (!reference.has(run, LAST_LOGITS)) return;
  const captured = await captureDecoder(runtime, reference, run, prompt, ['logits']);
  const expected = await reference.floats(run, LAST_LOGITS);
  const where = { run: run.name, stage: LAST_LOGITS, shape: reference.shape(run, LAST_LOGITS) };
  yield compareValues(where, captured.get('logits')?.slice(-expected.length) ?? [], expected, tolerance);
}
