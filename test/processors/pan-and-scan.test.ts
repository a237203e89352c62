import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/models/config-reader.ts';
import { panAndScan, parsePanAndScan } from '../../src/processors/pan-and-scan.ts';

/** Width and height, settings, and [left, top, width, height] of what Gemma3ImageProcessorPil of transformers 5.23 cuts. */
const CUTS = [
  [
    [50, 20],
    [8, 4, 1.2],
    [
      [0, 0, 17, 20],
      [17, 0, 17, 20],
      [34, 0, 16, 20],
    ],
  ],
  [
    [20, 50],
    [8, 4, 1.2],
    [
      [0, 0, 20, 17],
      [0, 17, 20, 17],
      [0, 34, 20, 16],
    ],
  ],
  [[23, 20], [8, 4, 1.2], []],
  [
    [24, 20],
    [8, 4, 1.2],
    [
      [0, 0, 12, 20],
      [12, 0, 12, 20],
    ],
  ],
  [
    [100, 20],
    [8, 4, 1.2],
    [
      [0, 0, 25, 20],
      [25, 0, 25, 20],
      [50, 0, 25, 20],
      [75, 0, 25, 20],
    ],
  ],
  [
    [100, 20],
    [8, 3, 1.2],
    [
      [0, 0, 34, 20],
      [34, 0, 34, 20],
      [68, 0, 32, 20],
    ],
  ],
  [
    [101, 20],
    [8, 4, 1.2],
    [
      [0, 0, 26, 20],
      [26, 0, 26, 20],
      [52, 0, 26, 20],
      [78, 0, 23, 20],
    ],
  ],
  [
    [70, 20],
    [8, 4, 1.2],
    [
      [0, 0, 18, 20],
      [18, 0, 18, 20],
      [36, 0, 18, 20],
      [54, 0, 16, 20],
    ],
  ],
  [
    [1000, 500],
    [256, 4, 1.2],
    [
      [0, 0, 500, 500],
      [500, 0, 500, 500],
    ],
  ],
  [
    [600, 500],
    [256, 4, 1.2],
    [
      [0, 0, 300, 500],
      [300, 0, 300, 500],
    ],
  ],
  [[500, 300], [256, 4, 1.2], []],
  [
    [511, 256],
    [256, 4, 1.2],
    [
      [0, 0, 256, 256],
      [256, 0, 255, 256],
    ],
  ],
  [
    [30, 12],
    [10, 4, 2.5],
    [
      [0, 0, 10, 12],
      [10, 0, 10, 12],
      [20, 0, 10, 12],
    ],
  ],
  [[29, 12], [10, 4, 2.5], []],
] as const;

describe('pan and scan', () => {
  test.for(CUTS)('of %j by %j', ([[width, height], [minCropSize, maxNumCrops, minRatio], boxes]) => {
    const cut = panAndScan({ width, height }, { minCropSize, maxNumCrops, minRatio });
    expect(cut.map((box) => [box.left, box.top, box.width, box.height])).toEqual(boxes);
  });

  test('leaves out parts with nothing in them', () => {
    const cut = panAndScan({ width: 9, height: 1 }, { minCropSize: 1, maxNumCrops: 8, minRatio: 1.2 });
    expect(cut.map(({ width }) => width)).toEqual([2, 2, 2, 2, 1]);
  });

  test('is done where it is asked for, and only then', () => {
    const parse = (json: object) => parsePanAndScan(readConfig(json, 'processor'));
    expect(parse({})).toBeNull();
    expect(parse({ do_pan_and_scan: false, pan_and_scan_max_num_crops: 2 })).toBeNull();
    expect(parse({ do_pan_and_scan: true })).toEqual({ minCropSize: 256, maxNumCrops: 4, minRatio: 1.2 });
    expect(() => parse({ do_pan_and_scan: true, pan_and_scan_max_num_crops: 0 })).toThrow(
      '"pan_and_scan_max_num_crops" is 0; expected a positive integer',
    );
  });
});
