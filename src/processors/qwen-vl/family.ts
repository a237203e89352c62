import { ConfigError, invariant } from '../../core/errors.ts';
import type { PixelSize } from '../../image/image-processor.ts';
import { parsePatchConfig } from '../../models/qwen2-vl/config.ts';
import { ofKind, replacePlaceholders, tokenText } from '../placeholders.ts';
import type { ProcessedMedium, Processor, ProcessorSources, VideoClip } from '../processor.ts';
import { processImage, processVideo } from './media.ts';
import { MROPE_RULES, mropePositions, type PositionGrid } from './positions.ts';
import { type SampleRule, sampleFrames } from './sampling.ts';
import {
  IMAGE_DEFAULTS,
  type PatchSettings,
  parsePatchSettings,
  parseVideoSettings,
  type VideoDefaults,
  type VideoSettings,
} from './settings.ts';

/** What differs between the families of Qwen-VL. */
export interface QwenVlFamily {
  /** `patch_size` of a config that leaves it out. */
  readonly patchSize: number;
  readonly video: VideoDefaults;
  readonly sampleRule: SampleRule;
  /** The size that frames are brought to; called where the settings have limits. */
  videoSize(clip: VideoClip, frames: number, settings: VideoSettings): PixelSize;
  /** What stands for a video, whose features `videoToken` stands for. */
  videoText(medium: ProcessedMedium, videoToken: string): string;
  /** How a video's features stand in the prompt, of merged patches. */
  videoGrids(medium: ProcessedMedium, merged: PositionGrid): readonly PositionGrid[];
}

/**
 * Pictures and videos of any size, positions along three axes. The field `mrope_rule` of the image processor's config,
 * "5x" unless told, chooses how transformers 5.x or 4.x counts on behind a video.
 * Reference: Qwen2VLProcessor, Qwen2_5_VLProcessor and Qwen3VLProcessor in transformers.
 */
export function qwenVlProcessor(sources: ProcessorSources, family: QwenVlFamily): Processor {
  const { model, tokenizer, imageProcessor } = sources;
  const { vision } = model;
  invariant(vision, `${model.modelType} has no vision tower`);
  // Checkpoints from before video processors keep both in one file.
  const videoProcessor = sources.videoProcessor ?? imageProcessor;
  const settings = {
    image: parsePatchSettings(imageProcessor, IMAGE_DEFAULTS),
    video: parseVideoSettings(videoProcessor, family.video),
  };
  checkPatches(sources, family, settings.image, imageProcessor.where);
  checkPatches(sources, family, settings.video, videoProcessor.where);
  const rule = imageProcessor.choice('mrope_rule', MROPE_RULES, '5x');
  const imageToken = tokenText(tokenizer, vision.imageTokenId, 'image_token_id');
  const videoToken = tokenText(tokenizer, vision.videoTokenId ?? vision.imageTokenId, 'video_token_id');

  const gridsOf = (medium: ProcessedMedium): readonly PositionGrid[] => {
    const { tile, tiles } = medium.layout;
    const [rows = 0, columns = 0] = (tile.grid ?? []).map((side) => side / settings.image.mergeSize);
    const merged = { slices: tiles, rows, columns, timeOf: (slice: number) => slice };
    return medium.kind === 'image' ? [merged] : family.videoGrids(medium, merged);
  };
  return {
    process: (media) =>
      media.map((medium) => {
        if (medium.kind === 'image') return processImage(medium, settings.image);
        const sampled = sampleFrames(medium.video, settings.video, medium.sampling, family.sampleRule);
        const size = settings.video.limits
          ? family.videoSize(medium.video, sampled.indices.length, settings.video)
          : null;
        return processVideo(medium, sampled, size, settings.video);
      }),
    expand(text, media) {
      const images = ofKind(media, 'image');
      const withImages = replacePlaceholders(text, imageToken, images, 'image', ({ layout }) =>
        imageToken.repeat(layout.tokens),
      );
      return replacePlaceholders(withImages, videoToken, ofKind(media, 'video'), 'video', (medium) =>
        family.videoText(medium, videoToken),
      );
    },
    positions: (tokenIds, media) => mropePositions(tokenIds, media, vision, rule, gridsOf),
  };
}

/** Throws ConfigError where the processor cuts other patches than the tower takes. */
function checkPatches(
  { config }: ProcessorSources,
  family: QwenVlFamily,
  { patchSize, temporalPatchSize, mergeSize }: PatchSettings,
  where: string,
): void {
  const tower = parsePatchConfig(config.object('vision_config'), family.patchSize);
  for (const [field, cut, taken] of [
    ['patch_size', patchSize, tower.patchSize],
    ['temporal_patch_size', temporalPatchSize, tower.temporalPatchSize],
    ['merge_size', mergeSize, tower.spatialMergeSize],
  ] as const) {
    if (cut === taken) continue;
    throw new ConfigError(
      `${where}: "${field}" is ${cut}, the vision tower's ${taken}; expected the same. Check it against vision_config in config.json.`,
    );
  }
}
