import { invariant } from '../../core/errors.ts';
import { COLOURS, SHAPES, SIZES, TEXTURES } from '../scenes/scene.ts';

export const DIRECTIONS = ['left', 'right', 'up', 'down'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Words that say nothing, for a decoder that learns to look for those that do. */
export const FILLERS = ['a', 'the', 'of', 'is'] as const;

const START = '<s>';
const END = '</s>';

/** All tokens, in the order of their ids. */
export const WORDS: readonly string[] = [
  START,
  END,
  ...FILLERS,
  ...SIZES,
  ...TEXTURES,
  ...COLOURS,
  ...SHAPES,
  'moves',
  ...DIRECTIONS,
];

export function idOf(word: string): number {
  const id = WORDS.indexOf(word);
  invariant(id >= 0, `"${word}" is no word of the vocabulary`);
  return id;
}

/** Tokens of an answer in training: a start, the words, an end, and ends again up to a fixed length. */
export function encodeAnswer(answer: string, length: number): readonly number[] {
  const ids = [START, ...answer.split(' '), END].map(idOf);
  invariant(ids.length <= length, `"${answer}" is longer than ${length} tokens`);
  return [...ids, ...new Array<number>(length - ids.length).fill(idOf(END))];
}

/** Words up to the first end. */
export function decodeAnswer(ids: readonly number[]): string {
  const end = ids.indexOf(idOf(END));
  return ids
    .slice(0, end < 0 ? undefined : end)
    .map((id) => WORDS[id] ?? '')
    .join(' ');
}

/** Place of the first end. */
export const endOf = (ids: readonly number[]): number => ids.indexOf(idOf(END));
