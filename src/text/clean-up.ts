/**
 * `clean_up_tokenization_spaces`: takes out the spaces that word-level tokenizers leave before punctuation and
 * English contractions. Source: transformers, PreTrainedTokenizerBase.clean_up_tokenization.
 */
export const cleanUpSpaces = (text: string): string =>
  text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");

/**
 * Length of the part of a growing text that cleans up the same whatever follows. Every pattern begins with a
 * space, and only " ' " spans a further one, so the text can be cut before a space that follows anything but a
 * space or an apostrophe.
 */
export function cleanPrefixLength(text: string): number {
  for (let at = text.length - 1; at > 0; at--) {
    const before = text[at - 1];
    if (text[at] === ' ' && before !== ' ' && before !== "'") return at;
  }
  return 0;
}
