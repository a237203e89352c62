import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { TEMPORAL_POOLINGS } from '../../src/models/blocks/temporal-pooling.ts';
import type { VideoClip } from '../../src/processors/processor.ts';
import type { Message, VideoPart } from '../../src/text/messages.ts';
import { openVideo } from '../../src/video/open-video.ts';
import { describeOnAdapters, testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';

const QUESTION = 'Describe the image.';
const SCENE = 'examples/scene-02.png';
const CLIP = 'test/video/clips/h264.mp4';
/** Image tokens of a frame in the built-in model. */
const FRAME_TOKENS = 64;

const about = (video: Omit<VideoPart, 'type'>, text = QUESTION): Message[] => [
  {
    role: 'user',
    content: [
      { type: 'video', ...video },
      { type: 'text', text },
    ],
  },
];

describeOnAdapters('videos for a model of still pictures', (getDevice) => {
  let model: VisionLanguageModel;
  beforeAll(async () => {
    model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
  });
  afterAll(() => model.dispose());

  const tokensOf = async (video: Omit<VideoPart, 'type'>) => {
    const { media, imageIndex } = await model.readPrompt({ messages: about(video) });
    expect(imageIndex.filter((row) => row >= 0)).toHaveLength(media[0]?.layout.tokens ?? 0);
    return (media[0]?.layout.tokens ?? 0) / FRAME_TOKENS;
  };

  test('one frame is a picture: the answer is that to the picture, token for token', async () => {
    const { promptIds, answerIds, answer } = expectedAnswer('scene-02.png', QUESTION);
    const result = await model.generate({ messages: about({ video: [SCENE] }), greedy: true });
    expect(result.promptTokenIds).toEqual(promptIds);
    expect(result.tokenIds).toEqual(answerIds);
    expect(result.text).toBe(answer);
  });

  test.each(TEMPORAL_POOLINGS)('equal frames pooled by %s are that one picture', async (kind) => {
    const { promptIds, answerIds } = expectedAnswer('scene-02.png', QUESTION);
    const video = { video: [SCENE, SCENE, SCENE, SCENE, SCENE], numFrames: 5, pooling: { kind } };
    const result = await model.generate({ messages: about(video), greedy: true });
    expect(result.promptTokenIds).toEqual(promptIds);
    expect(result.tokenIds).toEqual(answerIds);
  });

  test('frames F1 to Fn stand one after another, as many as asked for, pooled or not', async () => {
    const video = await openVideo(CLIP);
    // Of a context of 512 tokens three quarters are left to frames.
    expect(await tokensOf({ video })).toBe(6);
    expect(await tokensOf({ video, pooling: { kind: 'mean', window: 2 } })).toBe(4);
    expect(await tokensOf({ video: CLIP, numFrames: 3 })).toBe(3);
    expect(await tokensOf({ video: CLIP, fps: 2 })).toBe(4);
    expect(await tokensOf({ video: CLIP, numFrames: 20, pooling: { kind: 'mean', window: 4 } })).toBe(5);
    expect(await tokensOf({ video: CLIP, numFrames: 20, pooling: { kind: 'max', window: 8 } })).toBe(3);
    expect(await tokensOf({ video: CLIP, numFrames: 20, pooling: { kind: 'stride', window: 8 } })).toBe(3);
    expect(await tokensOf({ video: CLIP, numFrames: 20, pooling: { kind: 'attention' } })).toBe(1);
    expect(await tokensOf({ video: [SCENE, SCENE] })).toBe(2);
  });

  test('another question about the same file finds its frames encoded', async () => {
    const messages = about({ video: CLIP, numFrames: 4 }, 'How many objects are there?');
    const first = await model.generate({ messages, greedy: true, maxNewTokens: 4 });
    const turns = [
      ...messages,
      { role: 'assistant', content: first.text },
      { role: 'user', content: 'Sure?' },
    ];
    const second = await model.generate({ messages: turns, greedy: true, maxNewTokens: 4 });
    expect(second.stats.reusedTokens).toBeGreaterThan(4 * FRAME_TOKENS);
    const other = about({ video: CLIP, fps: 2 }, 'How many objects are there?');
    const third = await model.generate({ messages: other, greedy: true, maxNewTokens: 4 });
    expect(third.stats.reusedTokens).toBeLessThan(FRAME_TOKENS);
  });

  test.each<[string, Omit<VideoPart, 'type'>, string]>([
    [
      'more than the context holds',
      { video: CLIP, numFrames: 20 },
      `1280 of them for 1 pictures or videos, do not fit the model's context of 512`,
    ],
    ['more frames than there are', { video: CLIP, numFrames: 21 }, '21 frames are asked of 20'],
    [
      'frames by number and by rate',
      { video: CLIP, numFrames: 2, fps: 1 },
      'asks for 2 frames and for 1 a second',
    ],
    ['no video', {}, 'a video part holds no video'],
    ['what is no video', { video: SCENE }, 'it is a single picture; expected a clip'],
    ['half a frame', { video: CLIP, pooling: { kind: 'mean', window: 1.5 } }, 'a window of whole frames'],
    [
      'an unknown kind',
      { video: CLIP, pooling: { kind: 'sum' as never } },
      'a kind of mean, max, stride, attention',
    ],
  ])('%s: refused with the reason', async (_, video, reason) => {
    const generation = model.generate({ messages: about(video), greedy: true });
    await expect(generation).rejects.toThrow(reason);
  });
});

const [adapter] = testAdapters();
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe.skipIf(adapter === undefined)(`a long video on ${adapter}`, () => {
  test('1,000 frames take the memory that 40 take', async () => {
    const model = await loadModel(undefined, { adapter, dtype: 'f32' });
    const video = await openVideo('test/video/clips/long.mp4');
    // Four windows each, so the same features in the end. Once beforehand, so that all plans are there.
    await measure(model, video, 20);
    const few = await measure(model, video, 40);
    const many = await measure(model, video, 1000);
    expect([few.frames, many.frames]).toEqual([40, 1000]);
    expect([few.promptTokens, many.promptTokens]).toEqual([270, 270]);
    expect(many.peakGpuBytes).toBe(few.peakGpuBytes);
    // What the decoder hands over between two turns of the event loop stays bounded, but 40 frames do not reach the bound.
    const half = many.hostBytes.length / 2;
    const peakOf = (bytes: readonly number[]): number => Math.max(...bytes);
    expect(half).toBe(5);
    expect(peakOf(many.hostBytes.slice(half)) - peakOf(many.hostBytes.slice(0, half))).toBeLessThan(2 ** 20);
    model.dispose();
  }, 600_000);
});

/** Pools `numFrames` frames to four; what that takes at its most on the device, and of the host at ten moments. */
async function measure(model: VisionLanguageModel, video: VideoClip, numFrames: number) {
  let frames = 0;
  const hostBytes: number[] = [];
  const watched: VideoClip = {
    ...video,
    key: null,
    async *frames(indices) {
      for await (const picture of video.frames(indices)) {
        if (++frames % (numFrames / 10) === 0) {
          collectGarbage();
          const { heapUsed, external } = process.memoryUsage();
          hostBytes.push(heapUsed + external);
        }
        yield picture;
      }
    },
  };
  const pooling = { kind: 'mean', window: numFrames / 4 } as const;
  const messages = about({ video: watched, numFrames, pooling });
  const { stats } = await model.generate({ messages, greedy: true, maxNewTokens: 2 });
  return { frames, hostBytes, promptTokens: stats.promptTokens, peakGpuBytes: stats.peakGpuBytes };
}
