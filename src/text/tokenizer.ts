import { Tokenizer as Library } from '@huggingface/tokenizers';
import { ConfigError } from '../core/errors.ts';
import { decodeByteFallback } from './byte-fallback.ts';
import { cleanUpSpaces } from './clean-up.ts';

export type EncodeOptions = {
  /** Whether the tokenizer's own BOS and EOS go around the text. */
  readonly addSpecialTokens: boolean;
};

export type DecodeOptions = {
  readonly skipSpecialTokens: boolean;
  /** Default: the tokenizer's `clean_up_tokenization_spaces`. */
  readonly cleanUp?: boolean;
};

/** The tokens that templates and loops ask for by role; null where the tokenizer has none. */
export type SpecialRole = 'bos' | 'eos' | 'unk' | 'pad';
export type SpecialToken = { readonly text: string; readonly id: number };

export type Tokenizer = {
  /** Ids of a text; special tokens spelled out in it become their ids. */
  readonly encode: (text: string, options: EncodeOptions) => number[];
  /** Text of ids; ids the vocabulary lacks (models pad it) give nothing. */
  readonly decode: (ids: readonly number[], options: DecodeOptions) => string;
  readonly tokenToId: (token: string) => number | null;
  readonly idToToken: (id: number) => string | null;
  readonly isSpecial: (id: number) => boolean;
  /** The highest id plus one; a model's vocabulary may be padded beyond it. */
  readonly vocabSize: number;
  readonly special: Readonly<Record<SpecialRole, SpecialToken | null>>;
  /** A token that tokenizer_config.json names, such as `boi_token`; null for one that it does not or that is unknown. */
  readonly namedToken: (name: string) => SpecialToken | null;
  readonly cleansUp: boolean;
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Builds a tokenizer from a parsed tokenizer.json and tokenizer_config.json, equal in ids and text to the
 * reference's. Throws ConfigError when either is malformed.
 */
export function createTokenizer(tokenizerJson: unknown, tokenizerConfig: unknown): Tokenizer {
  const config = asObject(tokenizerConfig, 'tokenizer_config.json');
  const library = createLibrary(asObject(tokenizerJson, 'tokenizer.json'), config);
  const tokenToId = (token: string): number | null => library.token_to_id(token) ?? null;
  const idToToken = (id: number): string | null => library.id_to_token(id) ?? null;
  const special = {
    bos: specialToken(config, 'bos_token', tokenToId),
    eos: specialToken(config, 'eos_token', tokenToId),
    unk: specialToken(config, 'unk_token', tokenToId),
    pad: specialToken(config, 'pad_token', tokenToId),
  };
  const specialIds = collectSpecialIds(library, config, tokenToId);
  const isSpecial = (id: number): boolean => specialIds.has(id);
  const cleansUp = readFlag(config, 'clean_up_tokenization_spaces');
  const endOfWord = endOfWordSuffix(tokenizerJson);

  return {
    encode: (text, { addSpecialTokens }) =>
      // A byte-level vocabulary without an unknown token has no id for a byte it lacks; the reference drops it.
      library.encode(text, { add_special_tokens: addSpecialTokens }).ids.filter(Number.isInteger),
    decode(ids, { skipSpecialTokens, cleanUp = cleansUp }) {
      const known = ids.filter((id) => idToToken(id) !== null && !(skipSpecialTokens && isSpecial(id)));
      if (known.length === 0) return '';
      const text = library.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
      // CLIP's word ends have become spaces by now; the reference strips the last.
      const stripped = endOfWord ? text.trim() : text;
      return cleanUp ? cleanUpSpaces(stripped) : stripped;
    },
    tokenToId,
    idToToken,
    isSpecial,
    vocabSize: library.model?.vocab.length ?? 0,
    special,
    namedToken: (name) =>
      specialToken(config, name, tokenToId) ?? specialToken(extraTokens(config), name, tokenToId),
    cleansUp,
  };
}

/** Ids of one token that must exist, such as the image placeholder. Throws ConfigError when it does not. */
export function requireTokenId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenToId(token);
  if (id === null) {
    throw new ConfigError(
      `tokenizer: the vocabulary has no token "${token}"; expected the checkpoint to add it.`,
    );
  }
  return id;
}

function createLibrary(tokenizerJson: Json, config: Json): Library {
  try {
    const library = new Library(tokenizerJson, config);
    patchByteFallback(library.decoder);
    return library;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      `tokenizer.json: it does not load (${reason}); expected a Hugging Face tokenizer.`,
      {
        cause,
      },
    );
  }
}

type DecoderStep = { config?: { type?: string }; decoders?: DecoderStep[]; decode_chain?: unknown };

/** Gives every ByteFallback step, at whatever depth, the reference's rule. */
function patchByteFallback(decoder: unknown): void {
  if (!decoder) return;
  const step = decoder as DecoderStep;
  if (step.config?.type === 'ByteFallback') step.decode_chain = decodeByteFallback;
  step.decoders?.forEach(patchByteFallback);
}

/** Since transformers 4.48 a map from names of its own to tokens; before and after also a list. */
function extraTokens({ extra_special_tokens: extra }: Json): Json {
  return typeof extra === 'object' && extra !== null && !Array.isArray(extra) ? (extra as Json) : {};
}

function specialToken(config: Json, name: string, tokenToId: Tokenizer['tokenToId']): SpecialToken | null {
  const text = tokenText(config[name]);
  const id = text === null ? null : tokenToId(text);
  return text === null || id === null ? null : { text, id };
}

/** A token in a config is its text, or an AddedToken object with `content`. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as Json).content : undefined;
  return typeof content === 'string' ? content : null;
}

/** What `skip_special_tokens` skips: marked so in tokenizer.json, or given a role in tokenizer_config.json. */
function collectSpecialIds(library: Library, config: Json, tokenToId: Tokenizer['tokenToId']): Set<number> {
  const ids = new Set<number>();
  for (const [id, token] of library.get_added_tokens_decoder()) if (token.special) ids.add(id);
  const roles = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token'];
  // A list, or since transformers 4.48 a map from attribute name to token.
  const extras = [config.additional_special_tokens, config.extra_special_tokens].flatMap((value) =>
    typeof value === 'object' && value !== null ? Object.values(value) : [],
  );
  for (const value of [...roles.map((role) => config[role]), ...extras]) {
    const text = tokenText(value);
    const id = text === null ? null : tokenToId(text);
    if (id !== null) ids.add(id);
  }
  return ids;
}

function endOfWordSuffix(tokenizerJson: unknown): boolean {
  const { model } = tokenizerJson as { readonly model?: { readonly end_of_word_suffix?: unknown } };
  return typeof model?.end_of_word_suffix === 'string' && model.end_of_word_suffix !== '';
}

/** Absent means false since transformers 4.45. */
function readFlag(config: Json, name: string): boolean {
  const value = config[name] ?? false;
  if (typeof value !== 'boolean') {
    throw new ConfigError(
      `tokenizer_config.json: ${name} is ${JSON.stringify(value)}; expected true or false.`,
    );
  }
  return value;
}

function asObject(value: unknown, file: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`${file}: it holds ${JSON.stringify(value)?.slice(0, 40)}; expected an object.`);
  }
  return value as Json;
}
