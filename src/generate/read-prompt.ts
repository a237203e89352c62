import { type PictureArea, WHOLE_AREA } from '../image/visible-area.ts';
import type { VisionLayout } from '../models/model.ts';
import { type CaptureRequest, capturedPrompt } from './capture.ts';
import type { CheckpointAssets } from './checkpoint-assets.ts';

/** A prompt as the model takes it, for people: which token is which text, or which part of a picture. */
export interface PromptTokens {
  readonly tokenIds: readonly number[];
  /** Of each token, as the tokenizer spells it: `▁cat`. */
  readonly tokens: readonly string[];
  /** Of each token its row in the features of all pictures in a row, or -1 for text. */
  readonly imageIndex: Int32Array;
  readonly media: readonly PromptMedium[];
}

/** A picture or video of a prompt. */
export interface PromptMedium {
  readonly kind: 'image' | 'video';
  readonly layout: VisionLayout;
  /** The part of the picture that each tile shows; undefined where that is not known. */
  readonly areas: readonly PictureArea[] | undefined;
}

/** The tokens of a prompt with its answer. Throws InputError as `capture` does. */
export async function readPrompt(assets: CheckpointAssets, request: CaptureRequest): Promise<PromptTokens> {
  const { tokenIds, imageIndex, media } = await capturedPrompt(assets, request);
  return {
    tokenIds,
    tokens: tokenIds.map((id) => assets.tokenizer.idToToken(id) ?? ''),
    imageIndex,
    media: media.map(({ kind, layout, areas }) => ({
      kind,
      layout,
      areas: areas ?? (layout.tiles === 1 ? [WHOLE_AREA] : undefined),
    })),
  };
}
