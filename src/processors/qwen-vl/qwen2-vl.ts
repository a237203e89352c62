import { parseTokensPerSecond } from '../../models/qwen2-5-vl/config.ts';
import type { Processor, ProcessorSources } from '../processor.ts';
import { type QwenVlFamily, qwenVlProcessor } from './family.ts';
import { factorOf } from './media.ts';
import { qwen2Frames } from './sampling.ts';
import { QWEN2_VIDEO_DEFAULTS, type VideoSettings } from './settings.ts';
import { type PixelLimits, smartResize } from './smart-resize.ts';

const FAMILY: QwenVlFamily = {
  patchSize: 14,
  video: QWEN2_VIDEO_DEFAULTS,
  sampleRule: qwen2Frames,
  videoSize: (clip, frames, settings) => smartResize(clip, factorOf(settings), frameLimits(frames, settings)),
  videoText: ({ layout }, videoToken) => videoToken.repeat(layout.tokens),
  videoGrids: (_medium, merged) => [merged],
};

/** Pictures and videos of Qwen2-VL. Throws ConfigError. */
export const qwen2VlProcessor = (sources: ProcessorSources): Processor => qwenVlProcessor(sources, FAMILY);

/** Those of Qwen2.5-VL, whose videos stand on the time axis by the clock. Throws ConfigError. */
export function qwen25VlProcessor(sources: ProcessorSources): Processor {
  const tokensPerSecond = parseTokensPerSecond(sources.config.object('vision_config'));
  return qwenVlProcessor(sources, {
    ...FAMILY,
    videoGrids({ secondsPerTile = 1 }, merged) {
      // The reference's clock is of f32: a product just under a whole number is cut to the one before.
      const step = Math.fround(tokensPerSecond * Math.fround(secondsPerTile));
      return [{ ...merged, timeOf: (slice) => Math.trunc(Math.fround(slice * step)) }];
    },
  });
}

/** Limits of each frame; where tokens are bounded, its even share of a video's. */
function frameLimits(frames: number, settings: VideoSettings): PixelLimits {
  const { maxVideoTokens, temporalPatchSize } = settings;
  const { minPixels, maxPixels } = settings.limits ?? QWEN2_VIDEO_DEFAULTS;
  if (maxVideoTokens === null) return { minPixels, maxPixels };
  const total = Math.trunc(maxVideoTokens * factorOf(settings) ** 2 * 0.9);
  const share = Math.floor((total * temporalPatchSize) / frames);
  return { minPixels, maxPixels: Math.max(Math.min(maxPixels, share), Math.trunc(minPixels * 1.05)) };
}
