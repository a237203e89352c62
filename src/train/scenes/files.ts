import { PICTURE_SIZE } from './draw.ts';
import { COLOURS, SHAPES, SIZES, TEMPLATES, TEXTURES } from './scene.ts';

/** Sizes of the model that learns scenes. */
export interface SceneModelSizes {
  readonly visionWidth: number;
  readonly visionLayers: number;
  readonly textWidth: number;
  readonly textLayers: number;
  readonly heads: number;
  readonly patchSize: number;
  readonly embeddingSize: number;
}

export const SCENE_MODEL: SceneModelSizes = {
  visionWidth: 96,
  visionLayers: 4,
  textWidth: 64,
  textLayers: 2,
  heads: 4,
  patchSize: 8,
  embeddingSize: 64,
};

const START = '<|startoftext|>';
const END = '<|endoftext|>';
const UNKNOWN = '[UNK]';
/** The longest caption has 8 words, and a start and an end token. */
export const MAX_TOKENS = 16;

/** Words of captions in a fixed order, special tokens last: CLIP's end token has the largest id. */
export const VOCABULARY: readonly string[] = [
  UNKNOWN,
  ...new Set([
    ...TEMPLATES.flatMap((template) => template.split(' ').filter((word) => word !== '{}')),
    ...SIZES,
    ...TEXTURES,
    ...COLOURS,
    ...SHAPES,
  ]),
  START,
  END,
];

const idOf = (token: string): number => VOCABULARY.indexOf(token);

/** The small files of the checkpoint folder by name: a CLIPModel of transformers, its tokenizer and image processor. */
export function sceneModelFiles(sizes: SceneModelSizes): Readonly<Record<string, unknown>> {
  const tower = (width: number, layers: number) => ({
    attention_dropout: 0,
    hidden_act: 'quick_gelu',
    hidden_size: width,
    intermediate_size: 2 * width,
    layer_norm_eps: 1e-5,
    num_attention_heads: sizes.heads,
    num_hidden_layers: layers,
    projection_dim: sizes.embeddingSize,
  });
  return {
    'config.json': {
      architectures: ['CLIPModel'],
      dtype: 'float32',
      logit_scale_init_value: Math.log(1 / 0.07),
      model_type: 'clip',
      projection_dim: sizes.embeddingSize,
      text_config: {
        ...tower(sizes.textWidth, sizes.textLayers),
        bos_token_id: idOf(START),
        eos_token_id: idOf(END),
        max_position_embeddings: MAX_TOKENS,
        model_type: 'clip_text_model',
        pad_token_id: idOf(END),
        vocab_size: VOCABULARY.length,
      },
      vision_config: {
        ...tower(sizes.visionWidth, sizes.visionLayers),
        image_size: PICTURE_SIZE,
        model_type: 'clip_vision_model',
        num_channels: 3,
        patch_size: sizes.patchSize,
      },
    },
    'preprocessor_config.json': {
      crop_size: { height: PICTURE_SIZE, width: PICTURE_SIZE },
      do_center_crop: true,
      do_convert_rgb: true,
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_processor_type: 'CLIPImageProcessor',
      image_std: [0.5, 0.5, 0.5],
      resample: 3,
      rescale_factor: 1 / 255,
      size: { shortest_edge: PICTURE_SIZE },
    },
    'tokenizer.json': tokenizerJson(),
    'tokenizer_config.json': {
      bos_token: START,
      eos_token: END,
      model_max_length: MAX_TOKENS,
      pad_token: END,
      tokenizer_class: 'PreTrainedTokenizerFast',
      unk_token: UNKNOWN,
    },
  };
}

/** A word is a token: WordPiece without pieces. */
function tokenizerJson(): unknown {
  const special = (content: string) => ({
    id: idOf(content),
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [UNKNOWN, START, END].map(special),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: START, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: END, type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: START, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: END, type_id: 0 } },
      ],
      special_tokens: Object.fromEntries(
        [START, END].map((token) => [token, { id: token, ids: [idOf(token)], tokens: [token] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: UNKNOWN,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
    },
  };
}
