import type { FrameSource } from './video.ts';

/** FFmpeg's reading of delays that nobody could see: less than 20 ms counts as 100. Source: libavformat/gifdec.c. */
const SHORTEST_DELAY_MS = 20;
const DEFAULT_DELAY_MS = 100;

/** When the frames of an animation begin, from how long each stays. */
export function frameTimes(
  delaysMs: readonly number[],
): Pick<FrameSource, 'timesSeconds' | 'durationSeconds' | 'fps'> {
  const timesSeconds = new Float64Array(delaysMs.length);
  let totalMs = 0;
  delaysMs.forEach((delayMs, i) => {
    timesSeconds[i] = totalMs / 1000;
    totalMs += delayMs < SHORTEST_DELAY_MS ? DEFAULT_DELAY_MS : delayMs;
  });
  return { timesSeconds, durationSeconds: totalMs / 1000, fps: (1000 * delaysMs.length) / totalMs };
}
