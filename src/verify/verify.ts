import { isPacked, type PackedDType } from '../core/dtype.ts';
import type { Device } from '../device/gpu-device.ts';
import { requestDevice } from '../device/request-device.ts';
import { type CheckpointAssets, readAssets } from '../generate/checkpoint-assets.ts';
import { createDecoder } from '../generate/decoder.ts';
import { createImageEncoder } from '../generate/image-encoder.ts';
import { choosePrecision, type DTypeChoice, isSixteenBit } from '../generate/precision.ts';
import { type Prompt, promptOfIds, textPrompt } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Precision } from '../models/parameters.ts';
import { isDualEncoder } from '../models/registry.ts';
import { createWeightStore } from '../runtime/weight-store.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { verifyContrastive } from './contrastive.ts';
import { verifyGenerated } from './generated.ts';
import { verifyImageNewline } from './image-newline.ts';
import { makePrompt, promptIds, verifyInputs } from './inputs.ts';
import { verifyLayouts } from './layouts.ts';
import { verifyMaskedTower } from './masked-tower.ts';
import { verifyMropeRule4x } from './mrope-rule.ts';
import { openReference, type Reference, type ReferenceRun } from './reference.ts';
import { requireReference } from './reference-tensors.ts';
import { verifyRope } from './rope.ts';
import type { StageResult } from './stage-result.ts';
import { verifyStages } from './stages.ts';
import { verifySuffix } from './suffix.ts';
import type { Verification } from './verification.ts';

export interface VerifyOptions {
  readonly adapter?: string | undefined;
  readonly device?: Device | undefined;
  readonly dtype?: DTypeChoice | undefined;
  /** Largest error relative to RMS that passes; see `defaultTolerance`. */
  readonly tolerance?: number | undefined;
}

/**
 * Runs a checkpoint that holds `reference.json` and `reference.safetensors` and compares each stage with what the
 * reference implementation recorded, in the order of the computation. Later stages are fed the reference's own
 * inputs, so that the first line that fails names the stage at fault.
 * Throws as `loadModel` does, and InputError where there is no reference.
 */
export async function* verifyCheckpoint(
  files: CheckpointFiles,
  options: VerifyOptions = {},
): AsyncGenerator<StageResult> {
  // Before a device is asked for, which takes a while and prints lines of its own.
  await requireReference(files);
  const config = await readJson(files, 'config.json');
  const verify = isDualEncoder(config, `${files.name}: config.json`) ? verifyContrastive : verifyGenerating;
  const checkpoint = await openCheckpoint(files);
  const device = options.device ?? (await requestDevice({ adapter: options.adapter }));
  const precision = choosePrecision(options.dtype ?? 'f32', device.caps, checkpoint.index);
  const weights = createWeightStore(device, checkpoint.index);
  try {
    yield* verify({
      files,
      device,
      weightScope: weightScope(checkpoint.index, files.name),
      weights,
      precision,
      tolerance: options.tolerance ?? defaultTolerance(precision, checkpoint.index),
    });
  } finally {
    weights.dispose();
    await checkpoint.close();
    if (!options.device) device.dispose();
  }
}

/** Every run of a model that writes: its inputs, its intermediates, its answer. */
async function* verifyGenerating({ files, tolerance, ...parts }: Verification): AsyncGenerator<StageResult> {
  const assets = await readAssets(files);
  const reference = await openReference(files);
  const runtime: ModelRuntime = { ...parts, model: assets.model };
  const decoder = createDecoder(runtime);
  const imageEncoder = assets.model.vision ? createImageEncoder(runtime) : undefined;
  try {
    for (const run of reference.runs) {
      const prompts: Prompt[] = [];
      for (const [row, plainPrompt] of run.prompts.entries()) {
        const made = await makePrompt(assets, files, run, plainPrompt);
        yield* verifyInputs(made, reference, run, row);
        yield* verifyLayouts(made, reference, run);
        prompts.push(await withReferenceIds(assets, reference, run, made.prompt, row));
      }
      if (prompts[0]) {
        yield* verifyStages(runtime, reference, run, prompts[0], tolerance);
        yield* verifyMropeRule4x(runtime, assets, reference, run, prompts[0], tolerance);
      }
      yield* verifyGenerated({ assets, runtime, decoder, imageEncoder }, reference, run, prompts, tolerance);
    }
    const { suffixRun, tensors } = reference;
    if (suffixRun) yield* verifySuffix(runtime, assets, files, reference, suffixRun, tolerance);
    yield* verifyRope(runtime, tensors, tolerance);
    yield* verifyMaskedTower(runtime, tensors, tolerance);
    yield* verifyImageNewline(runtime, tensors, tolerance);
  } finally {
    imageEncoder?.dispose();
    decoder.dispose();
    await reference.close();
  }
}

/** The prompt with the reference's ids, should those made here differ, so that later stages are judged by themselves. */
async function withReferenceIds(
  { model, createProcessor }: CheckpointAssets,
  reference: Reference,
  run: ReferenceRun,
  { media }: Prompt,
  row: number,
): Promise<Prompt> {
  const ids = (await promptIds(reference, run))[row] ?? [];
  if (!model.vision || !createProcessor) return textPrompt(ids);
  return promptOfIds(ids, media, createProcessor(run.processor), model.vision);
}

/** About twice what rounding moved the logits of the built-in model by: 0.05 and 0.66 of their RMS at most. */
const PACKED_TOLERANCE: Readonly<Record<PackedDType, number>> = { q8: 0.1, q4: 1 };

/**
 * 1e-3 in f32 and 1e-2 in f16; 2e-2 in f16 where the checkpoint is wider, because rounding its weights moves a small
 * model's logits by up to 1.5e-2 of their RMS, however exactly it is then computed. In q8 and q4 that is all there is to
 * see: random weights may amplify it beyond any tolerance.
 */
function defaultTolerance({ weights }: Precision, index: TensorIndex): number {
  if (weights === 'f32') return 1e-3;
  if (isPacked(weights)) return PACKED_TOLERANCE[weights];
  return isSixteenBit(index) ? 1e-2 : 2e-2;
}
