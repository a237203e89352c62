import { InputError } from '../core/errors.ts';
import type { Picture } from '../image/picture.ts';
import { pooledFrames } from '../models/blocks/temporal-pooling.ts';
import type { VisionLayout } from '../models/model.ts';
import { uniformFrames } from './frame-sampling.ts';
import type { Medium, ProcessedMedium } from './processor.ts';

/** As many as Video-LLaVA takes (Lin et al. 2023, arXiv 2311.10122, section 4.1), or fewer where the context is short. */
const DEFAULT_FRAMES = 8;
/** What they may take of the context. */
const DEFAULT_SHARE = 0.75;

/**
 * A video for a model of still pictures: its frames as pictures F1..Fn one after another, as in Video-LLaVA, their
 * features pooled where that is asked for. `layout` is that of one picture, `toTile` makes its pixel values.
 * Unless told how many, it takes few enough to fit a context of `contextLength` tokens.
 * Throws InputError for more frames than the video has, and for a window that is not a whole number.
 */
export function stackedFrames(
  { key, video, sampling, pooling }: Extract<Medium, { kind: 'video' }>,
  layout: VisionLayout,
  contextLength: number,
  toTile: (frame: Picture) => Float32Array,
): ProcessedMedium {
  const isAsked = sampling.numFrames !== undefined || sampling.fps !== undefined;
  const fitting = Math.max(1, Math.floor((DEFAULT_SHARE * contextLength) / layout.tokens));
  const most = Math.min(DEFAULT_FRAMES, fitting * (pooling ? (pooling.window ?? DEFAULT_FRAMES) : 1));
  const sampled = uniformFrames(video, isAsked ? sampling : { numFrames: Math.min(most, video.frameCount) });
  const window = Math.min(pooling?.window ?? sampled.length, sampled.length);
  if (!Number.isInteger(window) || window < 1) {
    throw new InputError(`video: frames are pooled by ${window}; expected a whole number of frames.`);
  }
  // Of a stride only the first frame counts, so the others need not be decoded.
  const indices = pooling?.kind === 'stride' ? sampled.filter((_, i) => i % window === 0) : sampled;
  const isPooled = pooling !== undefined && pooling.kind !== 'stride';
  const pool = isPooled ? { kind: pooling.kind, window } : undefined;
  const shown = pool ? pooledFrames(indices.length, pool) : indices.length;
  const { fps } = video;
  return {
    kind: 'video',
    key,
    layout: {
      ...layout,
      tiles: indices.length,
      tokens: shown * layout.tokens,
      ...(pool ? { pooling: pool } : {}),
    },
    ...(fps === null ? {} : { tileSeconds: indices.map((index) => index / fps) }),
    async *tiles() {
      for await (const frame of video.frames(indices)) yield toTile(frame);
    },
  };
}
