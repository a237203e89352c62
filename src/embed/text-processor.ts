import { InputError } from '../core/errors.ts';
import { readConfig } from '../models/config-reader.ts';
import type { TextTowerInfo } from '../models/dual-encoder.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

export interface EncodeTextOptions {
  /** Cuts a text that is too long, and keeps its end token; without, it is an error. */
  readonly truncate: boolean;
}

/** Texts as the text tower takes them. */
export interface TextProcessor {
  /** Ids of a text with its special tokens; padded to the full length where the model wants that. Throws InputError. */
  encode(text: string, options: EncodeTextOptions): readonly number[];
  /** `ids` with padding up to `length`, on the tokenizer's side. */
  pad(ids: readonly number[], length: number): readonly number[];
}

/** Tokenizers that pad on the left where their file says nothing: class attribute `padding_side` in transformers. */
const LEFT_PADDED = ['GemmaTokenizer', 'GemmaTokenizerFast', 'Siglip2Tokenizer'];

/**
 * The tokenizer with what the reference does around it: SigLIP 2 was trained on lower-cased texts (Tschannen et al. 2025,
 * arXiv 2502.14786, section 2.1), which its tokenizer.json does not do and its class does.
 * Source: transformers, tokenization_siglip2.py and PreTrainedTokenizerBase.pad.
 */
export function createTextProcessor(
  tokenizer: Tokenizer,
  tokenizerConfig: unknown,
  { maxPositionEmbeddings, padding }: TextTowerInfo,
): TextProcessor {
  const config = readConfig(tokenizerConfig ?? {}, 'tokenizer_config.json');
  const tokenizerClass = config.string('tokenizer_class', '');
  const lowerCase = tokenizerClass === 'Siglip2Tokenizer' || config.boolean('do_lower_case', false);
  const side = config.choice(
    'padding_side',
    ['left', 'right'],
    LEFT_PADDED.includes(tokenizerClass) ? 'left' : 'right',
  );
  const padId = tokenizer.special.pad?.id ?? tokenizer.special.eos?.id ?? 0;

  const pad = (ids: readonly number[], length: number): readonly number[] => {
    const filling = new Array<number>(Math.max(length - ids.length, 0)).fill(padId);
    return side === 'left' ? [...filling, ...ids] : [...ids, ...filling];
  };
  return {
    pad,
    encode(text, { truncate }) {
      const ids = tokenizer.encode(lowerCase ? text.toLowerCase() : text, { addSpecialTokens: true });
      if (ids.length > maxPositionEmbeddings && !truncate) {
        throw new InputError(
          `text "${text.slice(0, 40)}...": has ${ids.length} tokens; expected at most ${maxPositionEmbeddings}. Shorten it, or let it be cut with truncate.`,
        );
      }
      const kept =
        ids.length > maxPositionEmbeddings
          ? [...ids.slice(0, maxPositionEmbeddings - 1), ...ids.slice(-1)]
          : ids;
      return padding === 'full' ? pad(kept, maxPositionEmbeddings) : kept;
    },
  };
}
