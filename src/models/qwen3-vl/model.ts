import { add } from '../../graph/math.ts';
import { slice } from '../../graph/movement.ts';
import { gatherRows } from '../blocks/gather-rows.ts';
import { axialTables, inverseFrequencies } from '../blocks/rope-tables.ts';
import type { ConfigReader } from '../config-reader.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { DecoderPass, Model } from '../model.ts';
import { decoder, gridOf, visionInfo, visionTower } from '../qwen2-vl/model.ts';
import { type AfterLayer, qwen3Decoder } from '../qwen3/decoder.ts';
import { deepstackLayers, parseQwen3VlConfig } from './config.ts';
import { qwen3VlVision } from './vision.ts';

/** Qwen3VLForConditionalGeneration. */
export function qwen3VlModel(json: ConfigReader): Model {
  const config = parseQwen3VlConfig(json);
  const { text, vision } = config;
  const levels = deepstackLayers(vision).length;
  const axisOf = interleavedAxes(text.mropeSection, text.headDim / 2);
  return {
    modelType: 'qwen3_vl',
    text: textInfo(text),
    vision: visionInfo(config, text.hiddenSize * (1 + levels)),
    mrope: {
      axes: 3,
      rotaryDim: text.headDim,
      tables: (positions) => axialTables(inverseFrequencies(text.rope), axisOf, positions),
    },
    encodeTile: (pixelValues, tile, w) => qwen3VlVision(pixelValues, gridOf(tile), vision, visionTower(w)),
    embedTokens: (ids, w, dtype) => embedTokens(ids, text, decoder(w), dtype),
    decode: (inputsEmbeds, w, pass) =>
      qwen3Decoder(inputsEmbeds, text, decoder(w), pass, deepstack(pass, levels, text.hiddenSize)),
    logits: (hiddenStates, w) => llamaHead(hiddenStates, text, decoder(w), w, config.tieWordEmbeddings),
  };
}

/**
 * Axis of each frequency: time, height, width by turns, and time alone behind the last of a section.
 * Reference: Qwen3VLTextRotaryEmbedding.recomposition_frequencies of transformers 5.23.
 */
export const interleavedAxes = (sections: readonly number[], frequencies: number): readonly number[] =>
  Array.from({ length: frequencies }, (_, i) => (i < 3 * (sections[i % 3] ?? 0) ? i % 3 : 0));

/** Adds the features of each tower layer that was chosen to what a decoder layer leaves, where pictures stand. */
const deepstack =
  ({ images }: DecoderPass, levels: number, C: number): AfterLayer =>
  (x, layer) => {
    if (!images || layer >= levels) return x;
    const features = slice(images.features, 1, (layer + 1) * C, (layer + 2) * C); // [N, C]
    return add(x, gatherRows(features, images.index));
  };
