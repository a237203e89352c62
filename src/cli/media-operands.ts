import { stat } from 'node:fs/promises';
import { loadPicture } from '../image/load-picture.ts';
import type { MediaPart } from '../text/messages.ts';
import { openVideo } from '../video/open-video.ts';
import { looksLikeVideo } from '../video/sniff.ts';
import type { Terminal } from './command.ts';
import { readStdin, STDIN } from './read-stdin.ts';
import { asksForVideo, samplingOfVideo, type VideoValues } from './video-options.ts';

const VIDEO_NAME = /\.(mp4|m4v|mov|webm|mkv)$/i;
/** Pictures, unless something is said that only videos have. */
const ANIMATION_NAME = /\.(gif|webp)$/i;

/**
 * The pictures and videos that operands name, opened, in their order: paths, addresses, folders of frames, or standard
 * input. Throws InputError where one cannot be read, UsageError for options that contradict each other.
 */
export async function openOperands(
  operands: readonly string[],
  values: VideoValues,
  terminal: Terminal,
): Promise<readonly MediaPart[]> {
  const sampling = samplingOfVideo(values);
  const parts = await Promise.all(
    operands.map((operand) => openOperand(operand, asksForVideo(values), terminal)),
  );
  return parts.map((part) => (part.type === 'video' ? { ...part, ...sampling } : part));
}

async function openOperand(operand: string, wantsVideo: boolean, terminal: Terminal): Promise<MediaPart> {
  const { signal } = terminal;
  const source = operand === STDIN ? await readStdin(terminal) : operand;
  const isVideo = typeof source === 'string' ? await namesVideo(source, wantsVideo) : looksLikeVideo(source);
  return isVideo
    ? { type: 'video', video: await openVideo(source, { signal }) }
    : { type: 'image', image: await loadPicture(source, { signal }) };
}

async function namesVideo(source: string, wantsVideo: boolean): Promise<boolean> {
  const path = URL.canParse(source) ? new URL(source).pathname : source;
  if (VIDEO_NAME.test(path) || (wantsVideo && ANIMATION_NAME.test(path))) return true;
  return (await stat(source).catch(() => null))?.isDirectory() ?? false;
}
