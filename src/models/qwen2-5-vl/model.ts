import type { ConfigReader } from '../config-reader.ts';
import type { Model } from '../model.ts';
import { gridOf, qwen2VlDecoder, visionTower } from '../qwen2-vl/model.ts';
import { parseQwen25VlConfig } from './config.ts';
import { qwen25VlVision } from './vision.ts';

/** Qwen2_5_VLForConditionalGeneration: Qwen2-VL with another tower, and video positions that follow the clock. */
export function qwen25VlModel(json: ConfigReader): Model {
  const config = parseQwen25VlConfig(json);
  return {
    ...qwen2VlDecoder(config),
    modelType: 'qwen2_5_vl',
    encodeTile: (pixelValues, tile, w) =>
      qwen25VlVision(pixelValues, gridOf(tile), config.vision, visionTower(w)),
  };
}
