import type { ImageProcessorConfig } from './image-processor.ts';

/** What becomes of the 256 levels of a channel. */
export type LevelConfig = Pick<ImageProcessorConfig, 'rescaleFactor' | 'normalize'>;

/** The float of each level of a channel, so that it is worked out once for all pixels. */
export type LevelTable = (config: LevelConfig, channel: number) => Float32Array;

/** NumPy's steps: the product in double, stored as float; mean and std as float, each result rounded to it. */
export const numpyLevels: LevelTable = ({ rescaleFactor, normalize }, channel) =>
  Float32Array.from({ length: 256 }, (_, level) => {
    const rescaled = rescaleFactor === null ? level : Math.fround(level * rescaleFactor);
    if (!normalize) return rescaled;
    const mean = Math.fround(normalize.mean[channel] as number);
    const std = Math.fround(normalize.std[channel] as number);
    return Math.fround(rescaled - mean) / std;
  });

/**
 * torchvision's steps, which scale mean and std in place of the picture: equal to NumPy's but for the last bits.
 * Source: transformers 5.23, image_processing_backends.py, _fuse_mean_std_and_rescale_factor.
 */
export const torchLevels: LevelTable = ({ rescaleFactor, normalize }, channel) =>
  Float32Array.from({ length: 256 }, (_, level) => {
    if (!normalize) return rescaleFactor === null ? level : level * Math.fround(rescaleFactor);
    const scale = Math.fround(rescaleFactor === null ? 1 : 1 / rescaleFactor);
    const mean = Math.fround(Math.fround(normalize.mean[channel] as number) * scale);
    const std = Math.fround(Math.fround(normalize.std[channel] as number) * scale);
    return Math.fround(level - mean) / std;
  });
