import { type EmbeddingCache, embeddingCache } from '../embed/embedding-cache.ts';
import { type FoundPictures, findPictures } from '../embed/find-pictures.ts';
import { type IndexedPicture, indexPictures, type PictureIndex } from '../embed/index-pictures.ts';
import { modelIdentity } from '../embed/model-identity.ts';
import { similarity } from '../embed/scores.ts';
import { defineCommand, type Terminal } from './command.ts';
import {
  contrastiveOptions,
  type OpenedModel,
  openContrastiveModel,
  requireModel,
} from './contrastive-options.ts';
import { createProgressLine, formatProgress } from './progress.ts';
import { formatTable } from './table.ts';
import { formatCount } from './units.ts';

const DEFAULT_TOP = 10;

export const searchCommand = defineCommand({
  name: 'search',
  details: [
    'Looks through all pictures in FOLDER and the folders in it, and prints those that fit QUERY best with their similarity, the cosine of the angle between picture and text. Compare similarities within one model alone.',
    'Each picture is embedded once: embeddings are kept in the cache folder (TESSERA_CACHE) by model and by what the file holds, so that moved pictures are known and changed ones are not. What cannot be read is named on stderr and left out.',
    '--json prints { folder, query, model, adapter, pictures, encoded, results, skipped }, a result being { path, similarity }.',
  ].join('\n\n'),
  operands: { usage: 'FOLDER QUERY', min: 2, max: 2 },
  options: {
    top: { kind: 'integer', value: 'N', min: 1, help: `pictures to print; default ${DEFAULT_TOP}` },
    ...contrastiveOptions,
    json: { kind: 'flag', help: 'one JSON object' },
  },
  examples: [
    'tessera search ~/Pictures "a red bicycle" --model openai/clip-vit-base-patch32',
    'tessera search ./photos "children at a station" --top 3 --json --model ./siglip-base-patch16-224',
  ],
  async run(values, [folder = '', query = ''], terminal) {
    const { top = DEFAULT_TOP, json } = values;
    requireModel('search', values.model);
    const found = await findPictures(folder);
    // The image tower is loaded when a picture is new.
    const opened = await openContrastiveModel('search', values, terminal, ['text']);
    const { model, files } = opened;
    try {
      const text = await model.embedText(query, { signal: terminal.signal });
      const cache = embeddingCache(await modelIdentity(files, model.precision), model.embeddingSize);
      const index = await indexWithProgress(found, opened, cache, terminal);
      const results = rank(index.pictures, text).slice(0, top);
      const { stdout, stderr } = terminal;
      for (const line of formatProblems(index, cache.folder)) stderr.write(`${line}\n`);
      if (json) {
        const { pictures, encoded, skipped } = index;
        const summary = { folder, query, model: model.name, adapter: model.adapterName };
        stdout.write(
          `${JSON.stringify({ ...summary, pictures: pictures.length, encoded, results, skipped })}\n`,
        );
      } else {
        for (const line of formatResults(results)) stdout.write(`${line}\n`);
      }
      return results.length > 0 ? 0 : 1;
    } finally {
      model.dispose();
    }
  },
});

async function indexWithProgress(
  found: FoundPictures,
  { model }: OpenedModel,
  cache: EmbeddingCache,
  { stderr, signal }: Terminal,
): Promise<PictureIndex> {
  const progress = createProgressLine(stderr);
  try {
    return await indexPictures(found, model, cache, {
      signal,
      onProgress: (done, total) =>
        progress.show(
          formatProgress('pictures', done, total, `${formatCount(done)} of ${formatCount(total)}`),
        ),
    });
  } finally {
    progress.clear();
  }
}

export interface SearchResult {
  readonly path: string;
  readonly similarity: number;
}

/** The most similar first; equals by path, so that copies come in one order. */
export const rank = (pictures: readonly IndexedPicture[], text: Float32Array): SearchResult[] =>
  pictures
    .map(({ path, embedding }) => ({ path, similarity: similarity(embedding, text) }))
    .sort((a, b) => b.similarity - a.similarity || (a.path < b.path ? -1 : 1));

const formatResults = (results: readonly SearchResult[]): string[] =>
  formatTable(results.map((result) => [result.similarity.toFixed(3), result.path]));

function formatProblems({ skipped, cacheProblem }: PictureIndex, cacheFolder: string): string[] {
  const lines = skipped.map(({ path, problem }) => `tessera: left out ${path}: ${problem}`);
  return cacheProblem === undefined
    ? lines
    : [...lines, `tessera: embeddings are not kept in ${cacheFolder}: ${cacheProblem}`];
}
