import type { FloatDType } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { RopeTables } from './blocks/rope-tables.ts';
import type { RopeTensors } from './blocks/rope-tensors.ts';
import { pooledFrames, type TemporalPooling } from './blocks/temporal-pooling.ts';
import type { Parameters } from './parameters.ts';

/** What a decoder pass needs besides its embeddings. */
export interface DecoderPass {
  /** Rotary position of each token, [B, S] u32: its row in the rope tables. */
  readonly positions: Tensor;
  /** Tables with a row per token of this pass, where positions have several axes (`Model.mrope`). */
  readonly rope?: RopeTensors | undefined;
  /** Tokens already in the cache, [B] u32. */
  readonly past: Tensor;
  /** Tokens the cache can hold. */
  readonly capacity: number;
  readonly kvCacheDType: FloatDType;
  /** Where the cache lies in pages that rows share; absent where each row has one of its own. */
  readonly pages?: PagedCache | undefined;
  /** Keys each query sees besides those before it, [B, S, 2] u32; see `attention`. */
  readonly span?: Tensor | undefined;
  /** In a pass with pictures: all of their features and, for each token, its row in them or -1, [B, S] i32. */
  readonly images?: { readonly features: Tensor; readonly index: Tensor } | undefined;
}

/** A KV cache in pages: a row's tokens lie in those that the table names, in order. */
export interface PagedCache {
  /** Pages of each row, [B, N] u32: those of its tokens before this pass and in it. */
  readonly table: Tensor;
  /** Pages of all rows together. */
  readonly count: number;
  /** Tokens of a page. */
  readonly size: number;
  /** Whether nothing lies in it before this pass, whose own keys are then all that there are to see. */
  readonly empty: boolean;
}

/** What a text decoder is, in the numbers that loading, caching and sampling need. */
export interface TextInfo {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
}

/** What the graph of one tile depends on: tiles alike in this run through one plan. */
export interface TileLayout {
  readonly kind: 'image' | 'video';
  /** Of its pixel values: [channels, height, width], or [patches, values] where the processor cuts the patches. */
  readonly shape: Shape;
  /** Patches by row and column, in towers that take pictures of any size. */
  readonly grid?: readonly [rows: number, columns: number];
  /** Patches by row and column that are no padding, where a picture is padded at its right and bottom. */
  readonly realPatches?: readonly [rows: number, columns: number];
}

/** How one picture or video comes to its tower: tiles of a picture, frames of a video, one after another. */
export interface VisionLayout {
  readonly tile: TileLayout;
  readonly tiles: number;
  /** Frames of a video whose features become those of one, before anything is packed. Absent where each counts. */
  readonly pooling?: TemporalPooling;
  /** Tiles by row and column that a picture is cut into, beside one of the whole picture. Absent where it is not cut. */
  readonly tileGrid?: readonly [rows: number, columns: number];
  /** Image features in the end, and so tokens in the prompt. */
  readonly tokens: number;
  /** [height, width] of the picture before it was tiled, where packing depends on it. */
  readonly imageSize?: readonly [height: number, width: number];
}

/** Tiles whose features are packed: those of a video may have been pooled. */
export const packedTiles = ({ tiles, pooling }: VisionLayout): number =>
  pooling ? pooledFrames(tiles, pooling) : tiles;

/** Features of media one after another, each of which is a token of the prompt. */
export const imageTokensOf = (media: readonly { readonly layout: Pick<VisionLayout, 'tokens'> }[]): number =>
  media.reduce((sum, { layout }) => sum + layout.tokens, 0);

/** What a vision tower with its projector takes and gives. */
export interface VisionInfo {
  /** The token id that each feature of a picture replaces. */
  readonly imageTokenId: number;
  /** The same for videos, where they have one of their own. */
  readonly videoTokenId?: number;
  /** Columns of the features: the decoder's width, or a multiple where deeper layers get features of their own. */
  readonly featureWidth: number;
  /** A usual picture: what loading prepares for and inspection counts. */
  readonly typicalLayout: VisionLayout;
}

/** Positions along several axes (M-RoPE: time, height, width). */
export interface MropeInfo {
  readonly axes: number;
  readonly rotaryDim: number;
  /** Tables with a row per token, given each token's position along each axis. */
  tables(positions: readonly ArrayLike<number>[]): RopeTables;
}

/** One model family at one checkpoint's sizes: pure functions from graph tensors to graph tensors. */
export interface Model {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly text: TextInfo;
  /** Absent in a language model. */
  readonly vision?: VisionInfo;
  /** Absent where a position is one number. */
  readonly mrope?: MropeInfo;
  /** pixelValues [1, ...tile.shape] → features of the tile [rows, width]. */
  encodeTile?(pixelValues: Tensor, tile: TileLayout, w: Parameters): Tensor;
  /** Features of all tiles (pooled ones) [tiles * rows, width] → [tokens, featureWidth]. Absent where they are that already. */
  packTiles?(features: Tensor, layout: VisionLayout, w: Parameters): Tensor;
  /** ids [B, S] u32 → [B, S, C]. */
  embedTokens(ids: Tensor, w: Parameters, dtype: FloatDType): Tensor;
  /** inputsEmbeds [B, S, C] → hidden states [B, S, C] after the final norm. */
  decode(inputsEmbeds: Tensor, w: Parameters, pass: DecoderPass): Tensor;
  /** hiddenStates [..., C] → [..., V]. */
  logits(hiddenStates: Tensor, w: Parameters): Tensor;
}
