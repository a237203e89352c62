import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import {
  atMostFrames,
  framesPerSecond,
  qwen2VlFrames,
  qwen3VlFrames,
  smolVlmFrames,
  uniformFrames,
} from '../../src/video/sampling.ts';
import type { FrameSampling, VideoMetadata } from '../../src/video/video.ts';

interface Case {
  readonly rule: 'uniform' | 'fps' | 'qwen2_vl' | 'qwen3_vl' | 'smolvlm';
  readonly n?: number;
  readonly rate?: number;
  readonly frames: number;
  readonly fps: number;
  /** Null where the reference refuses. */
  readonly indices: readonly number[] | null;
}

const { cases } = JSON.parse(readFileSync('test/video/sampling-reference.json', 'utf8')) as {
  readonly cases: readonly Case[];
};

const clip = (frameCount: number, fps: number): VideoMetadata => ({
  name: 'clip',
  width: 4,
  height: 3,
  frameCount,
  fps,
  durationSeconds: frameCount / fps,
});

function samplingOf({ rule, n, rate }: Case): FrameSampling {
  const wish = { ...(n === undefined ? {} : { numFrames: n }), ...(rate === undefined ? {} : { fps: rate }) };
  const range = { minFrames: 4, maxFrames: 768 };
  switch (rule) {
    case 'uniform':
      return uniformFrames(n ?? 0);
    case 'fps':
      return framesPerSecond(rate ?? 0);
    case 'qwen2_vl':
      return qwen2VlFrames({ temporalPatchSize: 2, ...range }, wish);
    case 'qwen3_vl':
      return qwen3VlFrames(range, wish);
    case 'smolvlm':
      return smolVlmFrames(rate ?? 0, n ?? 0);
  }
}

describe('sampling picks what the reference picks', () => {
  const rules = [...new Set(cases.map(({ rule }) => rule))];
  test.each(rules)('%s', (rule) => {
    const ofRule = cases.filter((item) => item.rule === rule);
    expect(ofRule.length).toBeGreaterThan(30);
    for (const item of ofRule) {
      const pick = () => samplingOf(item)(clip(item.frames, item.fps));
      const { indices, ...what } = item;
      if (indices === null) expect(pick, JSON.stringify(what)).toThrow(InputError);
      else expect(pick(), JSON.stringify(what)).toEqual(indices);
    }
  });

  test('without a wish, every frame within the limits', () => {
    const range = { minFrames: 4, maxFrames: 6 };
    expect(qwen2VlFrames({ temporalPatchSize: 2, ...range })(clip(5, 1))).toEqual([0, 1, 2, 3, 4]);
    expect(qwen3VlFrames(range)(clip(11, 1))).toEqual([0, 2, 4, 6, 8, 10]);
  });
});

test('more frames than there are is refused with the numbers, and atMostFrames takes what there is', () => {
  expect(() => uniformFrames(8)(clip(5, 1))).toThrow(
    'video "clip": 8 frames are asked of 5; expected 1 to 5. Ask for fewer frames, or fewer a second.',
  );
  expect(() => uniformFrames(0)(clip(5, 1))).toThrow('0 frames are asked of 5');
  expect(() => uniformFrames(1.5)(clip(5, 1))).toThrow('1.5 frames are asked of 5');
  expect(() => framesPerSecond(2)(clip(5, 1))).toThrow('10 frames are asked of 5');
  expect(atMostFrames(8)(clip(5, 1))).toEqual([0, 1, 2, 3, 4]);
  expect(atMostFrames(2)(clip(5, 1))).toEqual([0, 2]);
});
