import type { Tensor } from '../../graph/tensor.ts';
import { multiModalProjector, visionTower } from '../blocks/part-scopes.ts';
import type { ConfigReader } from '../config-reader.ts';
import { llavaDecoder } from '../llava/model.ts';
import { llavaProjector } from '../llava/projector.ts';
import { llavaFeatures, patchesPerSide } from '../llava/tower.ts';
import type { Model } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { type LlavaNextConfig, parseLlavaNextConfig, parseLlavaNextVideoConfig } from './config.ts';
import { packingOf, typicalLayout } from './layout.ts';
import { packPicture } from './pack.ts';
import { poolFrame } from './pool.ts';

/** LlavaNextForConditionalGeneration (Liu et al. 2024, llava-vl.github.io/blog/2024-01-30-llava-next). */
export const llavaNextModel = (json: ConfigReader): Model =>
  anyresModel('llava_next', parseLlavaNextConfig(json));

/**
 * LlavaNextVideoForConditionalGeneration (Zhang et al. 2024, llava-vl.github.io/blog/2024-04-30-llava-next-video). Frames
 * are pooled before the projector and follow one another without newlines.
 */
export const llavaNextVideoModel = (json: ConfigReader): Model =>
  anyresModel('llava_next_video', parseLlavaNextVideoConfig(json));

function anyresModel(modelType: string, config: LlavaNextConfig): Model {
  const { tower, text, video } = config;
  return {
    modelType,
    vision: {
      imageTokenId: config.imageTokenId,
      ...(video ? { videoTokenId: video.videoTokenId } : {}),
      featureWidth: text.hiddenSize,
      typicalLayout: typicalLayout(tower, config.imageGridPinpoints, null),
    },
    encodeTile(pixelValues, tile, w) {
      const features = llavaFeatures(pixelValues, tower, visionTower(w)); // [P, Cv]
      const project = (rows: Tensor): Tensor => llavaProjector(rows, config, multiModalProjector(w));
      if (video) resampler(w).skip('pool'); // Asked for by videos, and not by the pictures that loading prepares for.
      if (!video || tile.kind === 'image') return project(features).named('projector.tile_output');
      return project(poolFrame(features, video, resampler(w)).named('pooler.output')).named(
        'projector.output',
      );
    },
    packTiles(features, { tileGrid, imageSize }, w) {
      if (!tileGrid || !imageSize) return features;
      return packPicture(features, packingOf(patchesPerSide(tower), imageSize, tileGrid, null), w).named(
        'projector.output_packed',
      );
    },
    ...llavaDecoder(config),
  };
}

/** Holds weights only where pooling is learned. */
const resampler = (w: Parameters): Parameters =>
  w.has('model.vision_resampler.pool.weight')
    ? w.scope('model.vision_resampler')
    : w.scope('vision_resampler');
