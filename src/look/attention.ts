import { InputError, UnsupportedError } from '../core/errors.ts';
import type { CapturableTensor, CapturedTensor } from '../generate/captured.ts';
import type { PromptMedium, PromptTokens } from '../generate/read-prompt.ts';
import { imageTokensOf } from '../models/model.ts';
import { type HeatMap, patchGrid, pictureOf, tileMaps } from './heat-map.ts';

/** Names of the attention probabilities of each layer of a part, the first first. */
export const attentionLayers = (
  names: readonly CapturableTensor[],
  part: CapturableTensor['part'],
): CapturableTensor[] =>
  names.filter((tensor) => tensor.part === part && /\.\d+\.attention\.probabilities$/.test(tensor.name));

/** Which of a layer's probabilities. */
export interface AttentionChoice {
  /** Row of the probabilities: which query attends. */
  readonly query: number;
  /** The mean over all heads unless given. */
  readonly head?: number | undefined;
  /** Tile of a picture that is seen in several; default the first. */
  readonly tile?: number | undefined;
}

/** How much a query attends to each key: [T], adding up to one. probabilities [tiles, H, S, T]. Throws InputError. */
export function attentionRow(
  { shape, values }: CapturedTensor,
  { query, head, tile = 0 }: AttentionChoice,
): Float32Array {
  const [tiles = 0, H = 0, S = 0, T = 0] = shape;
  checkIndex('head', head ?? 0, H);
  checkIndex('query', query, S);
  checkIndex('tile', tile, tiles);
  const row = new Float32Array(T);
  const heads = head === undefined ? Array.from({ length: H }, (_, h) => h) : [head];
  for (const h of heads) {
    const begin = ((tile * H + h) * S + query) * T;
    for (let j = 0; j < T; j++) row[j] = (row[j] ?? 0) + (values[begin + j] ?? Number.NaN) / heads.length;
  }
  return row;
}

function checkIndex(what: string, index: number, count: number): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw new InputError(`look: ${what} is ${index}; expected 0 to ${count - 1}.`);
}

/** Attention of a token to a picture of its prompt. */
export interface PictureAttention {
  /** One map per tile. */
  readonly maps: readonly HeatMap[];
  /** Of all the attention, the share that goes to the picture: 0 to 1. */
  readonly share: number;
}

/**
 * A decoder's attention to the image tokens of one picture. `row` [T] is over all tokens of the prompt, from
 * `attentionRow`. Throws as `tileMaps`.
 */
export function attentionToPicture(
  row: Float32Array,
  { imageIndex, media }: Pick<PromptTokens, 'imageIndex' | 'media'>,
  picture = 0,
): PictureAttention {
  const medium = pictureOf(media, picture);
  const values = tokensOverPicture({ imageIndex, media }, picture).map((token) => row[token] ?? Number.NaN);
  return {
    maps: tileMaps(medium, Float32Array.from(values)),
    share: values.reduce((sum, value) => sum + value, 0),
  };
}

/**
 * `imageTokens`, where the features of a picture's tiles follow one another. Throws UnsupportedError for a model that joins
 * tiles to one large map and cuts its border off.
 */
export function tokensOverPicture(
  { imageIndex, media }: Pick<PromptTokens, 'imageIndex' | 'media'>,
  picture: number,
): number[] {
  const { layout } = pictureOf(media, picture);
  if (layout.imageSize === undefined || layout.tiles === 1) return imageTokens(imageIndex, media, picture);
  throw new UnsupportedError(
    `look: the features of this picture's ${layout.tiles} tiles are joined and cut, and no longer lie tile by tile; expected a picture of one tile. Look at the vision tower instead.`,
  );
}

/** Places in the prompt of a picture's tokens, in the order of its features. */
export function imageTokens(
  imageIndex: ArrayLike<number>,
  media: readonly PromptMedium[],
  picture: number,
): number[] {
  const begin = imageTokensOf(media.slice(0, picture));
  const places: number[] = [];
  for (let token = 0; token < imageIndex.length; token++) {
    const row = (imageIndex[token] ?? -1) - begin;
    if (row >= 0 && row < (media[picture]?.layout.tokens ?? 0)) places[row] = token;
  }
  return places;
}

/** Whose attention a tower's map shows: the class token's, the mean of all patches', or that of the patch at a point. */
export type TowerQuery = 'class' | 'patches' | { readonly x: number; readonly y: number };

/** Whether a tower has a token before those of its patches. Throws UnsupportedError where they lie in no grid. */
export const hasClassToken = (tokens: number, medium: PromptMedium): boolean =>
  towerGrid(tokens, medium).skipped > 0;

/** Weights over the tokens of a tile, adding up to one, that stand for a `TowerQuery`. Throws InputError for no class token. */
export function queryWeights(tokens: number, medium: PromptMedium, query: TowerQuery): Float32Array {
  const { rows, columns, skipped } = towerGrid(tokens, medium);
  const weights = new Float32Array(tokens);
  if (query === 'patches') return weights.fill(1 / (rows * columns), skipped);
  if (query === 'class') {
    if (skipped === 0)
      throw new InputError(
        'look: the tower has no class token; expected attention "patches", or of the patch at a point.',
      );
    weights[0] = 1;
    return weights;
  }
  const cell = (fraction: number, cells: number): number =>
    Math.min(Math.max(Math.floor(fraction * cells), 0), cells - 1);
  const [left, top, right, bottom] = medium.areas?.[0] ?? [0, 0, 1, 1];
  const column = cell((query.x - left) / (right - left), columns);
  const row = cell((query.y - top) / (bottom - top), rows);
  weights[skipped + row * columns + column] = 1;
  return weights;
}

/** Throws UnsupportedError where the tower takes its patches in another order than by rows. */
function towerGrid(tokens: number, { layout }: PromptMedium) {
  if (!layout.tile.grid) return patchGrid(tokens, layout.tile);
  throw new UnsupportedError(
    "look: this model's tower takes patches in blocks or windows; expected one that takes them by rows. Look at the decoder's attention instead.",
  );
}

/** A tower's attention in one layer. probabilities [tiles, H, S, S] → a map per tile, of what goes to patches. */
export function towerAttention(
  probabilities: CapturedTensor,
  medium: PromptMedium,
  query: TowerQuery,
  head?: number,
): HeatMap[] {
  const [tiles = 0, , S = 0] = probabilities.shape;
  const weights = queryWeights(S, medium, query);
  const values = new Float32Array(tiles * S);
  for (let tile = 0; tile < tiles; tile++) {
    weights.forEach((weight, i) => {
      if (weight === 0) return;
      const row = attentionRow(probabilities, { query: i, head, tile });
      for (let j = 0; j < S; j++)
        values[tile * S + j] = (values[tile * S + j] ?? 0) + weight * (row[j] ?? Number.NaN);
    });
  }
  return tileMaps(medium, values);
}
