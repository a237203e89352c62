import type { VideoDecoder, VideoFrame } from '@napi-rs/webcodecs';
import type { EncodedPacket, InputVideoTrack } from 'mediabunny';
import { importHidden } from '../image/import-hidden.ts';
import type { Mediabunny } from './load-reader.ts';

/** FFmpeg's decoders behind WebCodecs' interface. */
export type NodeCodecs = typeof import('@napi-rs/webcodecs');

export const loadNodeCodecs = (): Promise<NodeCodecs> =>
  importHidden('@napi-rs/webcodecs') as Promise<NodeCodecs>;

/** Packets that may wait for the decoder: enough to keep it busy. */
const MAX_QUEUED = 4;

/** Less than half of the shortest frame, more than what rounding to microseconds does. */
const EPSILON_SECONDS = 2e-6;

/**
 * The frames that begin at `wanted`, which rise; each is closed when the next is asked for. Packets are read from the
 * key frame before the first of them, and where none is wanted for longer than to the next key frame, that stretch is
 * left out. Ends early when the packets do, and throws what the decoder says.
 */
export async function* decodeInNode(
  { EncodedPacketSink }: Mediabunny,
  codecs: NodeCodecs,
  track: InputVideoTrack,
  wanted: readonly number[],
): AsyncGenerator<VideoFrame> {
  const sink = new EncodedPacketSink(track);
  const config = await track.getDecoderConfig();
  let decoder: FrameDecoder | undefined;
  let last: EncodedPacket | null = null;
  try {
    for (const timeSeconds of wanted) {
      const key = await sink.getKeyPacket(timeSeconds + EPSILON_SECONDS, { verifyKeyPackets: true });
      if (!key || !config) return;
      let next: EncodedPacket | null = last && (await sink.getNextPacket(last));
      if (
        !decoder ||
        !last ||
        (key.sequenceNumber > last.sequenceNumber && key.sequenceNumber !== next?.sequenceNumber)
      ) {
        decoder?.close();
        decoder = openDecoder(codecs, config);
        next = key;
      }
      for (;;) {
        const frame = await decoder.take(timeSeconds);
        if (frame) {
          try {
            yield frame;
          } finally {
            frame.close();
          }
          break;
        }
        if (decoder.isFlushed) return;
        if (next) {
          decoder.push(next);
          last = next;
          next = await sink.getNextPacket(next);
        } else await decoder.flush();
      }
    }
  } finally {
    decoder?.close();
  }
}

interface FrameDecoder {
  readonly isFlushed: boolean;
  push(packet: EncodedPacket): void;
  /** The frame that begins at `timeSeconds`, if it is out already or comes without a further packet. */
  take(timeSeconds: number): Promise<VideoFrame | undefined>;
  flush(): Promise<void>;
  close(): void;
}

function openDecoder(codecs: NodeCodecs, config: VideoDecoderConfig): FrameDecoder {
  const ready: { readonly frame: VideoFrame; readonly timeSeconds: number }[] = [];
  // Frames come in presentation order, but with the times of packets in decoding order, which differ where frames
  // refer forward. So times are kept here, and the earliest is that of the next frame.
  const timesSeconds: number[] = [];
  let failure: Error | undefined;
  let isFlushed = false;
  const decoder: VideoDecoder = new codecs.VideoDecoder({
    output: (frame) => {
      ready.push({ frame, timeSeconds: timesSeconds.shift() ?? frame.timestamp / 1e6 });
    },
    error: (error) => {
      failure ??= error;
    },
  });
  const { codec, codedWidth = 0, codedHeight = 0, description } = config;
  const sized = { codec, codedWidth, codedHeight, hardwareAcceleration: 'prefer-software' } as const;
  decoder.configure(description === undefined ? sized : { ...sized, description: bytesOf(description) });
  return {
    get isFlushed() {
      return isFlushed;
    },
    push(packet) {
      timesSeconds.push(packet.timestamp);
      timesSeconds.sort((a, b) => a - b);
      const { type, microsecondTimestamp: timestamp, microsecondDuration: duration, data } = packet;
      decoder.decode(new codecs.EncodedVideoChunk({ type, timestamp, duration, data }));
    },
    async take(timeSeconds) {
      // Frames arrive between two turns of the event loop; without one, all packets would go in first.
      await turn();
      while (ready.length === 0 && !failure && decoder.decodeQueueSize > MAX_QUEUED) await pause();
      if (failure) throw failure;
      for (let head = ready[0]; head; head = ready[0]) {
        if (head.timeSeconds >= timeSeconds - EPSILON_SECONDS) break;
        ready.shift();
        head.frame.close();
      }
      const head = ready[0];
      if (head && head.timeSeconds > timeSeconds + EPSILON_SECONDS) {
        throw new Error(`there is no frame at ${timeSeconds.toFixed(3)} s`);
      }
      return ready.shift()?.frame;
    },
    async flush() {
      try {
        await decoder.flush();
      } catch (cause) {
        throw failure ?? cause;
      }
      isFlushed = true;
    },
    close() {
      for (const { frame } of ready.splice(0)) frame.close();
      if (decoder.state !== 'closed') decoder.close();
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

const bytesOf = (source: AllowSharedBufferSource): Uint8Array =>
  ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
