import { InputError, invariant } from '../core/errors.ts';
import { throwIfAborted } from '../generate/abort.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import { preprocess } from '../image/preprocess.ts';
import type { ContrastiveAssets } from './contrastive-assets.ts';
import type {
  ClassifyOptions,
  ContrastiveModel,
  EmbedImageOptions,
  EmbedTextOptions,
  LabelScore,
} from './contrastive-model.ts';
import { type LogitParameters, type Score, scoreTexts } from './scores.ts';
import type { TowerRunner } from './tower-runner.ts';

export interface TowerRunners {
  readonly image: TowerRunner<Float32Array>;
  readonly text: TowerRunner<readonly number[]>;
}

/** The functions of a loaded model over its two towers. */
export function createEmbedder(
  { model, imageProcessor, textProcessor }: ContrastiveAssets,
  runners: TowerRunners,
  logitParameters: LogitParameters,
): Pick<ContrastiveModel, 'embedImage' | 'embedText' | 'score' | 'classify'> {
  const embedImages = (
    pictures: readonly PictureSource[],
    { signal }: EmbedImageOptions = {},
  ): Promise<Float32Array[]> => {
    const pixelsOf = async (source: PictureSource): Promise<Float32Array> =>
      preprocess(await loadPicture(source, signal && { signal }), imageProcessor).pixelValues;
    return inBatches(pictures, runners.image, (batch) => Promise.all(batch.map(pixelsOf)), signal);
  };
  const embedTexts = (
    texts: readonly string[],
    { truncate = false, signal }: EmbedTextOptions = {},
  ): Promise<Float32Array[]> => {
    const idsOf = (text: string): readonly number[] => textProcessor.encode(text, { truncate });
    return inBatches(texts, runners.text, async (batch) => batch.map(idsOf), signal);
  };

  function embedImage(picture: PictureSource, options?: EmbedImageOptions): Promise<Float32Array>;
  function embedImage(
    pictures: readonly PictureSource[],
    options?: EmbedImageOptions,
  ): Promise<Float32Array[]>;
  async function embedImage(
    given: PictureSource | readonly PictureSource[],
    options?: EmbedImageOptions,
  ): Promise<Float32Array | Float32Array[]> {
    return isList(given) ? embedImages(given, options) : only(await embedImages([given], options));
  }

  function embedText(text: string, options?: EmbedTextOptions): Promise<Float32Array>;
  function embedText(texts: readonly string[], options?: EmbedTextOptions): Promise<Float32Array[]>;
  async function embedText(
    given: string | readonly string[],
    options?: EmbedTextOptions,
  ): Promise<Float32Array | Float32Array[]> {
    return isList(given) ? embedTexts(given, options) : only(await embedTexts([given], options));
  }

  const score = (
    image: Float32Array,
    texts: readonly Float32Array[],
    { temperature }: Pick<ClassifyOptions, 'temperature'> = {},
  ): readonly Score[] => scoreTexts(image, texts, logitParameters, model.probability, temperature);

  const classifyAll = async (
    pictures: readonly PictureSource[],
    labels: readonly string[],
    options: ClassifyOptions = {},
  ): Promise<LabelScore[][]> => {
    const texts = await embedTexts(sentencesOf(labels, options.template), options);
    const images = await embedImages(pictures, options);
    return images.map((image) =>
      score(image, texts, options)
        .map((result, i) => ({ label: labels[i] ?? '', ...result }))
        .sort((a, b) => b.logit - a.logit),
    );
  };

  function classify(
    picture: PictureSource,
    labels: readonly string[],
    options?: ClassifyOptions,
  ): Promise<LabelScore[]>;
  function classify(
    pictures: readonly PictureSource[],
    labels: readonly string[],
    options?: ClassifyOptions,
  ): Promise<LabelScore[][]>;
  async function classify(
    given: PictureSource | readonly PictureSource[],
    labels: readonly string[],
    options?: ClassifyOptions,
  ): Promise<LabelScore[] | LabelScore[][]> {
    return isList(given)
      ? classifyAll(given, labels, options)
      : only(await classifyAll([given], labels, options));
  }

  return { embedImage, embedText, score, classify };
}

/**
 * Rows of `items` through a tower, batch by batch. The next batch is prepared while the adapter works on one, so at most
 * two are in memory, however many items there are.
 */
async function inBatches<Item, Row>(
  items: readonly Item[],
  { maxBatch, run }: TowerRunner<Row>,
  prepare: (batch: readonly Item[]) => Promise<readonly Row[]>,
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  const embeddings: Float32Array[] = [];
  const prepareAt = (begin: number): Promise<readonly Row[]> => {
    const rows = prepare(items.slice(begin, begin + maxBatch));
    // Awaited in its turn; until then a failure must not end the process.
    rows.catch(() => undefined);
    return rows;
  };
  let next = prepareAt(0);
  for (let begin = 0; begin < items.length; begin += maxBatch) {
    throwIfAborted(signal);
    const rows = await next;
    if (begin + maxBatch < items.length) next = prepareAt(begin + maxBatch);
    embeddings.push(...(await run(rows)));
  }
  return embeddings;
}

/** Where a label goes in a template. */
const PLACE = '{}';

function sentencesOf(labels: readonly string[], template = PLACE): readonly string[] {
  if (labels.length === 0) throw new InputError('classify: got no labels; expected one or more.');
  if (!template.includes(PLACE)) {
    throw new InputError(
      `classify: template "${template}" has no ${PLACE}; expected one where the label goes, as in "a photo of a ${PLACE}".`,
    );
  }
  return labels.map((label) => template.replaceAll(PLACE, () => label));
}

const isList = <Item>(given: Item | readonly Item[]): given is readonly Item[] => Array.isArray(given);

function only<T>(list: readonly T[]): T {
  const [first] = list;
  invariant(first !== undefined && list.length === 1, `${list.length} results for one input`);
  return first;
}
