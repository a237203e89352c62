import { roundHalfEven } from '../../core/round-half-even.ts';
import type { Processor, ProcessorSources } from '../processor.ts';
import { type QwenVlFamily, qwenVlProcessor } from './family.ts';
import { factorOf } from './media.ts';
import { qwen3Frames } from './sampling.ts';
import { QWEN3_VIDEO_DEFAULTS, type VideoSettings } from './settings.ts';
import { type PixelLimits, smartResizeVideo } from './smart-resize.ts';

/** Every slice of a video stands between these, behind its time, inside those of the chat template. */
const VISION_START = '<|vision_start|>';
const VISION_END = '<|vision_end|>';

const FAMILY: QwenVlFamily = {
  patchSize: 16,
  video: QWEN3_VIDEO_DEFAULTS,
  sampleRule: qwen3Frames,
  videoSize(clip, frames, settings) {
    const limits = videoLimits(frames, settings);
    return smartResizeVideo(clip, frames, settings.temporalPatchSize, factorOf(settings), limits);
  },
  videoText({ layout, tileSeconds = [] }, videoToken) {
    const slice = VISION_START + videoToken.repeat(layout.tokens / layout.tiles) + VISION_END;
    return tileSeconds.map((seconds) => `<${toTenths(seconds)} seconds>${slice}`).join('');
  },
  // Their times are text, so that each slice stands by itself.
  videoGrids: (_medium, merged) => new Array(merged.slices).fill({ ...merged, slices: 1 }),
};

/** Pictures and videos of Qwen3-VL. Throws ConfigError. */
export const qwen3VlProcessor = (sources: ProcessorSources): Processor => qwenVlProcessor(sources, FAMILY);

/** Limits of all frames together; where tokens are bounded, so are those of each frame. */
function videoLimits(frames: number, settings: VideoSettings): PixelLimits {
  const { minPixels, maxPixels } = settings.limits ?? QWEN3_VIDEO_DEFAULTS;
  if (settings.maxVideoTokens === null) return { minPixels, maxPixels };
  const perFrame = settings.maxVideoTokens * factorOf(settings) ** 2;
  const share = Math.min(perFrame, Math.floor(maxPixels / frames));
  return { minPixels, maxPixels: Math.max(share, Math.trunc(minPixels * 1.05)) * frames };
}

/** One digit behind the point as Python writes it: 0.25, exactly between two, goes to the even 0.2. */
export function toTenths(value: number): string {
  const isTie = Math.abs(value * 4) % 2 === 1;
  return isTie ? (roundHalfEven(value * 10) / 10).toFixed(1) : value.toFixed(1);
}
