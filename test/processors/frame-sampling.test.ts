import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { smolVlmFrames, uniformFrames } from '../../src/processors/frame-sampling.ts';
import type { VideoClip } from '../../src/processors/processor.ts';
import { qwen2Frames, qwen3Frames } from '../../src/processors/qwen-vl/sampling.ts';
import type { VideoSettings } from '../../src/processors/qwen-vl/settings.ts';

interface Case {
  readonly rule: 'uniform' | 'fps' | 'qwen2_vl' | 'qwen3_vl' | 'smolvlm';
  readonly n?: number;
  readonly rate?: number;
  readonly frames: number;
  readonly fps: number;
  /** Null where the reference refuses. */
  readonly indices: readonly number[] | null;
}

const { cases } = JSON.parse(readFileSync('test/processors/frame-sampling.json', 'utf8')) as {
  readonly cases: readonly Case[];
};

const clip = (frameCount: number, fps: number) => ({
  width: 4,
  height: 3,
  frameCount,
  fps,
  durationSeconds: frameCount / fps,
  frames: (): never => expect.fail('no frame is needed'),
});

const settings = {
  temporalPatchSize: 2,
  sampling: { doSampleFrames: true, numFrames: undefined, fps: undefined, minFrames: 4, maxFrames: 768 },
} as VideoSettings;

function pick({ rule, n, rate, frames, fps }: Case): readonly number[] {
  const video = clip(frames, fps);
  switch (rule) {
    case 'uniform':
    case 'fps':
      return uniformFrames(video, { numFrames: n, fps: rate });
    case 'qwen2_vl':
      return qwen2Frames(video, settings, { numFrames: n, fps: rate });
    case 'qwen3_vl':
      return qwen3Frames(video, settings, { numFrames: n, fps: rate });
    case 'smolvlm':
      return smolVlmFrames(video, { numFrames: n ?? 0, fps: rate ?? 0 });
  }
}

describe('sampling picks what the reference picks', () => {
  const rules = [...new Set(cases.map(({ rule }) => rule))];
  test.each(rules)('%s', (rule) => {
    const ofRule = cases.filter((item) => item.rule === rule);
    expect(ofRule.length).toBeGreaterThan(30);
    for (const item of ofRule) {
      const { indices, ...what } = item;
      if (indices === null) expect(() => pick(item), JSON.stringify(what)).toThrow(InputError);
      else expect(pick(item), JSON.stringify(what)).toEqual(indices);
    }
  });

  test('without a wish, every frame within the limits', () => {
    const { sampling } = settings;
    const few = { ...settings, sampling: { ...sampling, maxFrames: 6 } };
    expect(uniformFrames(clip(3, 1), {})).toEqual([0, 1, 2]);
    expect(qwen2Frames(clip(5, 1), few, {})).toEqual([0, 1, 2, 3, 4]);
    expect(qwen3Frames(clip(11, 1), few, {})).toEqual([0, 2, 4, 6, 8, 10]);
  });
});

test('more frames than there are, or frames by time without time, are refused with the numbers', () => {
  expect(() => uniformFrames(clip(5, 1), { numFrames: 8 })).toThrow(
    'video: 8 frames are asked of 5; expected 1 to 5. Ask for fewer frames, or fewer a second.',
  );
  expect(() => uniformFrames(clip(5, 1), { numFrames: 0 })).toThrow('0 frames are asked of 5');
  expect(() => uniformFrames(clip(5, 1), { numFrames: 1.5 })).toThrow('1.5 frames are asked of 5');
  expect(() => uniformFrames(clip(5, 1), { fps: 2 })).toThrow('10 frames are asked of 5');
  const pictures: VideoClip = { ...clip(5, 1), fps: null, durationSeconds: null };
  expect(() => uniformFrames(pictures, { fps: 2 })).toThrow(
    '2 frames a second are asked of frames without time',
  );
  expect(() => qwen2Frames(pictures, settings, { fps: 2 })).toThrow('a list of pictures, which has no time');
});
