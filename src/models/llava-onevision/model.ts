import { dim } from '../../core/shape.ts';
import { concat, reshape } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { multiModalProjector, visionTower } from '../blocks/part-scopes.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llavaDecoder } from '../llava/model.ts';
import { llavaProjector } from '../llava/projector.ts';
import { llavaFeatures, patchesPerSide } from '../llava/tower.ts';
import { packingOf, typicalLayout } from '../llava-next/layout.ts';
import { newlines, packPicture, resizeMap } from '../llava-next/pack.ts';
import type { Model } from '../model.ts';
import { parseLlavaOnevisionConfig } from './config.ts';

/**
 * LlavaOnevisionForConditionalGeneration (Li et al. 2024, arXiv 2408.03326). A picture alone is cut into tiles as in
 * LLaVA-NeXT and shrunk where they are many; one among several is seen whole, a newline at its end; frames of a video are
 * shrunk to half a side each after the projector, one newline behind the last.
 */
export function llavaOnevisionModel(json: ConfigReader): Model {
  const config = parseLlavaOnevisionConfig(json);
  const { tower, text, maxTiles } = config;
  return {
    modelType: 'llava_onevision',
    vision: {
      imageTokenId: config.imageTokenId,
      videoTokenId: config.videoTokenId,
      featureWidth: text.hiddenSize,
      typicalLayout: typicalLayout(tower, config.imageGridPinpoints, maxTiles),
    },
    encodeTile(pixelValues, tile, w) {
      const features = llavaFeatures(pixelValues, tower, visionTower(w)); // [P, Cv]
      const projected = llavaProjector(features, config, multiModalProjector(w)).named(
        'projector.tile_output',
      );
      return tile.kind === 'video' ? shrinkFrame(projected, patchesPerSide(tower)) : projected;
    },
    packTiles(features, { tile, tileGrid, imageSize }, w) {
      if (tileGrid && imageSize) {
        const packing = packingOf(patchesPerSide(tower), imageSize, tileGrid, maxTiles);
        return packPicture(features, packing, w).named('projector.output_packed');
      }
      const name = tile.kind === 'video' ? 'projector.output_pooled' : 'projector.output_packed';
      return concat([features, newlines(features, 1, w)], 0).named(name);
    },
    ...llavaDecoder(config),
  };
}

/** Features along a side of a frame. */
export const frameSide = (side: number): number => Math.ceil(side / 2);

/** A frame at half its side, rounded up. [side², C] → [frameSide², C] */
function shrinkFrame(features: Tensor, side: number): Tensor {
  const C = dim(features.shape, 1);
  const half = frameSide(side);
  return reshape(resizeMap(reshape(features, [side, side, C]), [half, half]), [half ** 2, C]);
}
