import type { Input, InputFormat, InputVideoTrack } from 'mediabunny';
import { EngineError, InputError, UnsupportedError } from '../core/errors.ts';
import { isNode } from '../image/import-hidden.ts';
import { turnUpright } from '../image/webp-orientation.ts';
import { loadReader, type Mediabunny, type VideoReader } from './load-reader.ts';
import { checkSampleCounts } from './mp4-counts.ts';
import { openRanges } from './ranges.ts';
import { toPicture } from './raw-frame.ts';
import type { FrameSource } from './video.ts';
import { checkFrameCount, checkLimits, corruptVideo, moreThanBytes, type VideoFile } from './video-file.ts';

/** MP4, MOV, WebM or Matroska. Throws as openVideo does. */
export async function openMovie(file: VideoFile): Promise<FrameSource> {
  const { name } = file;
  const reader = await loadReader();
  const input = await openInput(reader, file);
  try {
    return await readHeaders(reader, input, file);
  } catch (cause) {
    throw cause instanceof EngineError ? cause : corruptVideo(name, cause);
  } finally {
    input.dispose();
  }
}

async function openInput({ mediabunny }: VideoReader, file: VideoFile): Promise<Input> {
  const { CustomSource, Input, MP4, QTFF, MATROSKA, WEBM } = mediabunny;
  const { read, close } = await openRanges(file);
  return new Input({
    // Every read has to come by, so that none goes on for ever; hence no further cache.
    source: new CustomSource({ getSize: () => file.byteLength, read, dispose: close, maxCacheSize: 0 }),
    // Not every format it knows: playlists would have it open files and addresses of their own choice.
    formats: [MP4, QTFF, MATROSKA, WEBM],
  });
}

async function findFormat(input: Input, { name }: VideoFile): Promise<InputFormat> {
  // It throws where a file is shorter than what it looks for.
  if (!(await input.canRead().catch(() => false))) {
    throw new UnsupportedError(
      `video "${name}": it is in no format read here; expected MP4, MOV, WebM, Matroska, GIF or WebP.`,
    );
  }
  return input.getFormat();
}

async function findTrack(input: Input, { name }: VideoFile): Promise<InputVideoTrack> {
  const track = await input.getPrimaryVideoTrack();
  if (!track) {
    const others = (await input.getTracks()).map(({ type }) => type);
    throw new InputError(
      `video "${name}": it holds no pictures (${others.length === 0 ? 'no tracks, as of a file cut off before its index' : `only ${others.join(', ')}`}); expected a video track.`,
    );
  }
  const codec = await track.getCodec();
  if (codec === null || !(isNode ? NODE_CODECS.includes(codec) : await track.canDecode())) {
    const named = (await track.getCodecParameterString()) ?? (await track.getInternalCodecId());
    throw new UnsupportedError(
      `video "${name}": its codec ${String(named)} cannot be decoded here; expected H.264, HEVC, VP8, VP9 or AV1. Convert it first: ffmpeg -i in -c:v libx264 out.mp4`,
    );
  }
  return track;
}

/** mediabunny's names. */
const NODE_CODECS: readonly string[] = ['avc', 'hevc', 'vp8', 'vp9', 'av1'];

async function readHeaders(reader: VideoReader, input: Input, file: VideoFile): Promise<FrameSource> {
  const { name, key } = file;
  const { EncodedPacketSink, MP4, QTFF } = reader.mediabunny;
  const format = await findFormat(input, file);
  if (format === MP4 || format === QTFF) await checkSampleCounts(file);
  const track = await findTrack(input, file);
  const [storedWidth, storedHeight] = [await track.getCodedWidth(), await track.getCodedHeight()];
  checkLimits(file, storedWidth, storedHeight, 1);
  const orientation = orientationOf(await track.getRotation(), await track.getFlip());
  const isTurned = orientation >= 5;
  const { begins, durationSeconds } = await readTimeline(new EncodedPacketSink(track), file);
  const first = begins[0] ?? 0;
  return {
    name,
    key,
    width: isTurned ? storedHeight : storedWidth,
    height: isTurned ? storedWidth : storedHeight,
    frameCount: begins.length,
    durationSeconds,
    fps: nominalRate(begins.length, durationSeconds),
    timesSeconds: begins.map((begin) => begin - first),
    async *decode(indices) {
      const input = await openInput(reader, file);
      try {
        const wanted = indices.map((index) => begins[index] ?? 0);
        for await (const frame of reader.decode(await findTrack(input, file), wanted)) {
          const picture = await toPicture(frame, name);
          yield orientation === 1 ? picture : turnUpright(picture, orientation);
        }
      } catch (cause) {
        throw cause instanceof EngineError ? cause : corruptVideo(name, cause);
      } finally {
        input.dispose();
      }
    },
  };
}

/** EXIF's number for a clockwise turn, then a flip about the vertical axis. Source: EXIF 2.3, section 4.6.4. */
function orientationOf(degrees: 0 | 90 | 180 | 270, isFlipped: boolean): number {
  const plain = { 0: 1, 90: 6, 180: 3, 270: 8 }[degrees];
  return isFlipped ? ({ 1: 2, 6: 5, 3: 4, 8: 7 }[plain] ?? plain) : plain;
}

interface Timeline {
  /** When each frame begins, in presentation order. */
  readonly begins: Float64Array;
  readonly durationSeconds: number;
}

/** Reads what the container says of every packet, without the packets. A number a frame is all that is kept. */
async function readTimeline(
  sink: InstanceType<Mediabunny['EncodedPacketSink']>,
  file: VideoFile,
): Promise<Timeline> {
  const begins: number[] = [];
  let end = 0;
  let packets = 0;
  for await (const { timestamp, duration } of sink.packets(undefined, undefined, { metadataOnly: true })) {
    if (++packets > file.byteLength) throw moreThanBytes(file.name, packets, file.byteLength);
    checkFrameCount(file.name, file.limits, begins.length);
    // An edit list moves what is not to be shown before zero.
    if (timestamp > -EPSILON_SECONDS) begins.push(timestamp);
    end = Math.max(end, timestamp + duration);
  }
  checkLimits(file, 1, 1, begins.length);
  const sorted = Float64Array.from(begins).sort();
  return { begins: sorted, durationSeconds: end - (sorted[0] ?? 0) };
}

const EPSILON_SECONDS = 1e-6;

/** Matroska rounds times to milliseconds, the begin and the end of the clip alike. */
const TIME_ERROR_SECONDS = 0.0015;

/**
 * Frames over duration; where rounded times account for the difference, the whole or the NTSC rate next to it (30,
 * 30000/1001), so that sampling rules do not fall to one frame less.
 */
function nominalRate(frames: number, durationSeconds: number): number {
  if (!(durationSeconds > 0)) return 1;
  const measured = frames / durationSeconds;
  const whole = Math.round(measured);
  const ntsc = (Math.round(measured * 1.001) * 1000) / 1001;
  const nearest = Math.abs(whole - measured) <= Math.abs(ntsc - measured) ? whole : ntsc;
  const error = Math.abs(nearest - measured) / measured;
  return error * durationSeconds <= TIME_ERROR_SECONDS && nearest > 0 ? nearest : measured;
}
