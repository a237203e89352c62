import { invariant } from '../../core/errors.ts';
import type { PatchGrid } from '../blocks/axial-rope.ts';
import { mropeTables } from '../blocks/rope-tables.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llamaDecoder } from '../llama/decoder.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model, TileLayout, VisionInfo } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { type PatchConfig, parseQwen2VlConfig, type QwenVlConfig } from './config.ts';
import type { MropeTextConfig } from './text-config.ts';
import { patchValues, qwen2VlVision } from './vision.ts';

/** Qwen2VLForConditionalGeneration, in the tensor names of transformers 4.x and 5.x files. */
export function qwen2VlModel(json: ConfigReader): Model {
  const config = parseQwen2VlConfig(json);
  return {
    ...qwen2VlDecoder(config),
    modelType: 'qwen2_vl',
    encodeTile: (pixelValues, tile, w) =>
      qwen2VlVision(pixelValues, gridOf(tile), config.vision, visionTower(w)),
  };
}

/** All but the tower, which Qwen2-VL and Qwen2.5-VL have alike. */
export function qwen2VlDecoder(
  config: QwenVlConfig<MropeTextConfig, PatchConfig>,
): Omit<Model, 'modelType' | 'encodeTile'> {
  const { text } = config;
  return {
    text: textInfo(text),
    vision: visionInfo(config, text.hiddenSize),
    mrope: {
      axes: 3,
      rotaryDim: text.headDim,
      tables: (positions) => mropeTables(text.rope, text.mropeSection, positions),
    },
    embedTokens: (ids, w, dtype) => embedTokens(ids, text, decoder(w), dtype),
    decode: (inputsEmbeds, w, pass) => llamaDecoder(inputsEmbeds, text, decoder(w), pass),
    logits: (hiddenStates, w) => llamaHead(hiddenStates, text, decoder(w), w, config.tieWordEmbeddings),
  };
}

/** Patches along each side of a usual picture: 448 pixels in patches of 14. */
const TYPICAL_SIDE = 32;

export function visionInfo(
  { vision, imageTokenId, videoTokenId }: QwenVlConfig<MropeTextConfig, PatchConfig>,
  featureWidth: number,
): VisionInfo {
  const merged = Math.ceil(TYPICAL_SIDE / vision.spatialMergeSize);
  const side = merged * vision.spatialMergeSize;
  return {
    imageTokenId,
    videoTokenId,
    featureWidth,
    typicalLayout: {
      tile: { kind: 'image', shape: [side ** 2, patchValues(vision)], grid: [side, side] },
      tiles: 1,
      tokens: merged ** 2,
    },
  };
}

export function gridOf({ grid }: TileLayout): PatchGrid {
  invariant(grid, 'a tile of patches has a grid');
  return grid;
}

export const visionTower = (w: Parameters): Parameters => w.firstScope(['model.visual', 'visual']);
export const decoder = (w: Parameters): Parameters => w.firstScope(['model.language_model', 'model']);
