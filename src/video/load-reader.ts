import type { InputVideoTrack, VideoSample } from 'mediabunny';
import { UnsupportedError } from '../core/errors.ts';
import { importHidden, isNode } from '../image/import-hidden.ts';
import type { RawFrame } from './raw-frame.ts';

export type Mediabunny = typeof import('mediabunny');

/** Frames of a track by when they begin, each closed when the next is asked for. */
export type DecodeTrack = (
  track: InputVideoTrack,
  beginsSeconds: readonly number[],
) => AsyncIterable<RawFrame>;

/** What reads video files: the demultiplexer, and a decoder for what it finds. */
export interface VideoReader {
  readonly mediabunny: Mediabunny;
  readonly decode: DecodeTrack;
}

let loading: Promise<VideoReader> | undefined;

/**
 * Loads the packages, once: mediabunny, which decodes by WebCodecs in a browser, and in Node FFmpeg's decoders beside
 * it. Throws UnsupportedError when one is not installed.
 */
export function loadReader(): Promise<VideoReader> {
  loading ??= load();
  return loading;
}

async function load(): Promise<VideoReader> {
  const mediabunny = await orExplain('mediabunny', () =>
    isNode ? (importHidden('mediabunny') as Promise<Mediabunny>) : import('mediabunny'),
  );
  // All that it would log is thrown here.
  mediabunny.Logging.level = mediabunny.LogLevel.Silent;
  if (!isNode) return { mediabunny, decode: (track, begins) => decodeInBrowser(mediabunny, track, begins) };
  const { decodeInNode, loadNodeCodecs } = await import('./decode-node.ts');
  const codecs = await orExplain('@napi-rs/webcodecs', loadNodeCodecs);
  return { mediabunny, decode: (track, begins) => decodeInNode(mediabunny, codecs, track, begins) };
}

async function* decodeInBrowser(
  { VideoSampleSink }: Mediabunny,
  track: InputVideoTrack,
  beginsSeconds: readonly number[],
): AsyncGenerator<RawFrame> {
  const named = await track.getColorSpace();
  for await (const sample of new VideoSampleSink(track).samplesAtTimestamps(beginsSeconds)) {
    // None where the decoder ran out of data.
    if (!sample) return;
    try {
      yield withMatrix(sample, named.matrix ?? null);
    } finally {
      sample.close();
    }
  }
}

/** Where nothing names a matrix, Chromium says bt709, the reference decoders take another: so bt709 has to be named. */
function withMatrix(sample: VideoSample, named: string | null): RawFrame {
  const { format, visibleRect, colorSpace } = sample;
  const { matrix, fullRange } = colorSpace;
  return {
    format,
    visibleRect,
    colorSpace: { matrix: named ?? (matrix === 'bt709' ? null : matrix), fullRange },
    allocationSize: (options) => sample.allocationSize(options),
    copyTo: (destination, options) => sample.copyTo(destination, options),
  };
}

async function orExplain<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new UnsupportedError(
      `video: the package "${name}", which reads video files, does not load (${cause instanceof Error ? cause.message : String(cause)}). Run: npm install mediabunny${isNode ? ' @napi-rs/webcodecs' : ''}`,
      { cause },
    );
  }
}
