import { TEMPORAL_POOLINGS } from '../models/blocks/temporal-pooling.ts';
import type { VideoPart } from '../text/messages.ts';
import type { OptionValues } from './command.ts';
import { UsageError } from './usage-error.ts';

/** How a video is sampled and pooled. */
export const videoOptions = {
  frames: { kind: 'integer', value: 'N', min: 1, help: 'take N frames of a video, evenly spread' },
  fps: { kind: 'number', value: 'X', min: 0.001, help: 'take X frames of each second of a video' },
  pool: {
    kind: 'text',
    value: 'KIND[:N]',
    help: `pool the features of each N frames (of all, without N) by ${TEMPORAL_POOLINGS.join(', ')}; for models of still pictures`,
  },
} as const;

export type VideoValues = OptionValues<typeof videoOptions>;

/** As a video part of a message takes them. Throws UsageError. */
export function samplingOfVideo(values: VideoValues): Omit<VideoPart, 'type' | 'video'> {
  const { frames, fps, pool } = values;
  if (frames !== undefined && fps !== undefined) {
    throw new UsageError('--frames and --fps were both given; expected one of them.');
  }
  return {
    ...(frames === undefined ? {} : { numFrames: frames }),
    ...(fps === undefined ? {} : { fps }),
    ...(pool === undefined ? {} : { pooling: parsePooling(pool) }),
  };
}

export const asksForVideo = ({ frames, fps, pool }: VideoValues): boolean =>
  frames !== undefined || fps !== undefined || pool !== undefined;

/** `mean:4` as { kind: 'mean', window: 4 }, `mean` as { kind: 'mean' }. Throws UsageError. */
export function parsePooling(text: string): NonNullable<VideoPart['pooling']> {
  const [name, frames, ...rest] = text.split(':');
  const kind = TEMPORAL_POOLINGS.find((pooling) => pooling === name);
  const window = frames === undefined ? undefined : Number(frames);
  const isWindow = window === undefined || (/^[1-9]\d*$/.test(frames ?? '') && Number.isSafeInteger(window));
  if (kind === undefined || !isWindow || rest.length > 0) {
    throw new UsageError(
      `--pool "${text}": expected ${TEMPORAL_POOLINGS.join(', ')}, and after a colon how many frames become one: mean:4.`,
    );
  }
  return window === undefined ? { kind } : { kind, window };
}
