import { ConfigError, InputError } from '../core/errors.ts';
import type { VisionInfo } from '../models/model.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Medium, ProcessedMedium } from './processor.ts';

/**
 * Replaces each `placeholder` by what `write` says of the medium it stands for, in order.
 * Throws InputError when there are not as many of them as media.
 */
export function replacePlaceholders<M>(
  text: string,
  placeholder: string,
  media: readonly M[],
  noun: 'image' | 'video',
  write: (medium: M, index: number) => string,
): string {
  const pieces = text.split(placeholder);
  const placeholders = pieces.length - 1;
  if (placeholders !== media.length) {
    const given = quantity(media.length, noun === 'image' ? 'picture' : 'video');
    throw new InputError(
      `${noun} tokens: the prompt holds ${quantity(placeholders, `${noun} placeholder`)} but ${given} ${media.length === 1 ? 'was' : 'were'} given; expected one placeholder per ${noun === 'image' ? 'picture' : 'video'}.`,
    );
  }
  return media.reduce(
    (written: string, medium, i) => written + write(medium, i) + (pieces[i + 1] ?? ''),
    pieces[0] ?? '',
  );
}

/** The media of one kind. */
export const ofKind = (media: readonly ProcessedMedium[], kind: Medium['kind']): readonly ProcessedMedium[] =>
  media.filter((medium) => medium.kind === kind);

/** Writes, in place of each placeholder, its token once per feature: pictures' and, where they have one, videos'. */
export function tokenWriter(
  { imageTokenId, videoTokenId }: VisionInfo,
  tokenizer: Tokenizer,
): (text: string, media: readonly ProcessedMedium[]) => string {
  const imageToken = tokenText(tokenizer, imageTokenId, 'image_token_index');
  const videoToken =
    videoTokenId === undefined ? null : tokenText(tokenizer, videoTokenId, 'video_token_index');
  return (text, media) => {
    const write = (from: string, token: string, kind: Medium['kind']): string =>
      replacePlaceholders(from, token, ofKind(media, kind), kind, ({ layout }) =>
        token.repeat(layout.tokens),
      );
    const withPictures = write(text, imageToken, 'image');
    return videoToken === null ? withPictures : write(withPictures, videoToken, 'video');
  };
}

/** Text of a token that the config names by its id. Throws ConfigError where the tokenizer lacks it. */
export function tokenText(tokenizer: Tokenizer, id: number, field: string): string {
  const text = tokenizer.idToToken(id);
  if (text !== null) return text;
  throw new ConfigError(
    `config.json: "${field}" is ${id}, which the tokenizer does not have; expected a token of its vocabulary.`,
  );
}

const quantity = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
