import { type ContrastiveAssets, readContrastiveAssets } from '../embed/contrastive-assets.ts';
import { buildImageGraph, buildTextGraph } from '../embed/graphs.ts';
import { logitParameterReader } from '../embed/logit-parameters.ts';
import { type LogitParameters, scoreTexts } from '../embed/scores.ts';
import { loadPicture } from '../image/load-picture.ts';
import { preprocess } from '../image/preprocess.ts';
import { readConfig } from '../models/config-reader.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import { readJson } from '../weights/checkpoint-files.ts';
import { captureStages } from './capture.ts';
import { compareIds, compareValues } from './compare.ts';
import { PIXEL_TOLERANCE, readRecordedPicture } from './inputs.ts';
import { openReferenceTensors, type ReferenceTensors } from './reference-tensors.ts';
import type { StageResult } from './stage-result.ts';
import type { Verification } from './verification.ts';

/** The one run that a dual encoder's reference has: all its pictures with all its texts. */
const RUN = 'pairs';

/** Pictures of the recorded loss, and texts. */
const LOSS_PAIRS = 3;

interface ContrastiveReference {
  readonly images: readonly string[];
  readonly texts: readonly string[];
  readonly tensors: ReferenceTensors;
}

/**
 * Every recorded tensor of a dual encoder: inputs, both towers on the reference's inputs, scores and loss on its
 * embeddings.
 */
export async function* verifyContrastive(verification: Verification): AsyncGenerator<StageResult> {
  const { files, weightScope, tolerance } = verification;
  const assets = await readContrastiveAssets(files);
  const json = readConfig(await readJson(files, 'reference.json'), `${files.name}: reference.json`);
  const tensors = await openReferenceTensors(files);
  const reference = { images: json.strings('images'), texts: json.strings('texts'), tensors };
  try {
    yield* verifyInputs(verification, assets, reference);
    yield* verifyTowers(verification, assets.model, tensors);
    const parameters = await logitParameterReader(assets.model, weightScope)();
    yield* verifyScores(assets.model, parameters, tensors, tolerance);
  } finally {
    await tensors.close();
  }
}

/** Ids and pixels made here from the texts and pictures. */
async function* verifyInputs(
  { files }: Verification,
  { textProcessor, imageProcessor }: ContrastiveAssets,
  { images, texts, tensors }: ContrastiveReference,
): AsyncGenerator<StageResult> {
  const shape = tensors.shape('inputs.input_ids');
  const ids = texts.map((text) => textProcessor.encode(text, { truncate: false }));
  const padded = ids.flatMap((row) => textProcessor.pad(row, shape[1] ?? 0));
  const expectedIds = [...(await tensors.integers('inputs.input_ids'))];
  yield compareIds({ run: RUN, stage: 'inputs.input_ids', shape }, padded, expectedIds);

  const pixels: number[] = [];
  let note: string | undefined;
  for (const image of images) {
    const picture = await readRecordedPicture(files, image);
    note = picture.note ?? note;
    pixels.push(...preprocess(await loadPicture(picture.bytes), imageProcessor).pixelValues);
  }
  const stage = 'inputs.pixel_values';
  const where = { run: RUN, stage, shape: tensors.shape(stage) };
  yield compareValues(where, pixels, await tensors.floats(stage), PIXEL_TOLERANCE, note);
}

/** Each tower in one batch on the recorded inputs: hidden states, pooled states, embeddings. */
async function* verifyTowers(
  verification: Verification,
  model: DualEncoder,
  tensors: ReferenceTensors,
): AsyncGenerator<StageResult> {
  const { weightScope, precision, tolerance } = verification;
  const stagesOf = (part: RegExp): string[] => tensors.names.filter((name) => part.test(name));
  const compare = async (
    stage: string,
    actual: ArrayLike<number>,
    mask?: Int32Array,
  ): Promise<StageResult> => {
    const where = { run: RUN, stage, shape: tensors.shape(stage) };
    const expected = await tensors.floats(stage);
    if (!mask || !/hidden_states?$/.test(stage)) return compareValues(where, actual, expected, tolerance);
    const width = where.shape.at(-1) ?? 0;
    const note = 'of real tokens, not of padding';
    return compareValues(
      where,
      maskedRows(actual, mask, width),
      maskedRows(expected, mask, width),
      tolerance,
      note,
    );
  };

  const [pictures = 0] = tensors.shape('inputs.pixel_values');
  const imageGraph = buildImageGraph(model, weightScope, precision, pictures);
  const pixelValues = await tensors.floats('inputs.pixel_values');
  const imageStages = stagesOf(/^(vision\.|image_embeds$)/);
  for (const [stage, values] of await captureStages(verification, imageGraph, imageStages, { pixelValues }))
    yield await compare(stage, values);

  const [texts = 0, seq = 0] = tensors.shape('inputs.input_ids');
  const textGraph = buildTextGraph(model, weightScope, precision, { batch: texts, seq });
  const ids = Uint32Array.from(await tensors.integers('inputs.input_ids'));
  const pooledRows = Uint32Array.from({ length: texts }, (_, i) => {
    const row = [...ids.slice(i * seq, (i + 1) * seq)];
    return i * seq + model.pooledPosition(row);
  });
  const textStages = stagesOf(/^(text\.|text_embeds$)/);
  // The reference hides padding from padding too, whose states nothing reads: they are not compared.
  const mask = tensors.has('inputs.attention_mask')
    ? await tensors.integers('inputs.attention_mask')
    : undefined;
  for (const [stage, values] of await captureStages(verification, textGraph, textStages, { ids, pooledRows }))
    yield await compare(stage, values, mask);
}

/** Rows of [..., tokens, width] whose token the mask keeps; the mask repeats over all axes before. */
const maskedRows = (values: ArrayLike<number>, mask: Int32Array, width: number): number[] =>
  Array.from(values).filter((_, i) => mask[Math.floor(i / width) % mask.length] === 1);

/** What follows from the embeddings alone. */
async function* verifyScores(
  model: DualEncoder,
  parameters: LogitParameters,
  tensors: ReferenceTensors,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const images = rowsOf(await tensors.floats('image_embeds'), model.embeddingSize);
  const texts = rowsOf(await tensors.floats('text_embeds'), model.embeddingSize);
  const scores = images.map((image) => scoreTexts(image, texts, parameters, model.probability));
  const logits = scores.map((row) => row.map(({ logit }) => logit));
  const pairs = logits.slice(0, LOSS_PAIRS).map((row) => row.slice(0, LOSS_PAIRS));
  const computed: Readonly<Record<string, () => readonly number[]>> = {
    logit_scale: () => [parameters.logitScale],
    logit_bias: () => [parameters.logitBias],
    logits_per_image: () => logits.flat(),
    logits_per_text: () => transpose(logits).flat(),
    probs_per_image: () => scores.flatMap((row) => row.map(({ probability }) => probability)),
    contrastive_loss_first3: () => [contrastiveLoss(pairs)],
    sigmoid_loss_first3: () => [sigmoidLoss(pairs)],
  };
  for (const [stage, values] of Object.entries(computed)) {
    if (!tensors.has(stage)) continue;
    const where = { run: RUN, stage, shape: tensors.shape(stage) };
    yield compareValues(where, values(), await tensors.floats(stage), tolerance);
  }
}

/** Mean cross entropy of each picture's own text and of each text's own picture (Radford et al. 2021, figure 3). */
const contrastiveLoss = (logits: readonly (readonly number[])[]): number =>
  (meanCrossEntropy(logits) + meanCrossEntropy(transpose(logits))) / 2;

const meanCrossEntropy = (logits: readonly (readonly number[])[]): number =>
  mean(
    logits.map((row, own) => {
      const max = Math.max(...row);
      const logSum = max + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
      return logSum - (row[own] ?? Number.NaN);
    }),
  );

/** Every pair by itself, own ones positive and all others negative (Zhai et al. 2023, equation 1). */
const sigmoidLoss = (logits: readonly (readonly number[])[]): number =>
  mean(
    logits.map((row, own) =>
      row.reduce((sum, logit, i) => sum + Math.log1p(Math.exp(i === own ? -logit : logit)), 0),
    ),
  );

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const transpose = (rows: readonly (readonly number[])[]): number[][] =>
  (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? Number.NaN));

const rowsOf = (values: Float32Array, width: number): Float32Array[] =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));
