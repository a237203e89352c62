import { expect, test } from 'vitest';
import { imageCases, imageName } from '../../bench/image-cases.ts';
import { formatImages } from '../../bench/image-report.ts';
import { measureImage } from '../../bench/measure-image.ts';
import { parseReport } from '../../bench/read-report.ts';

test('cases of pictures have names of their own', () => {
  const names = imageCases.map(imageName);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain('image resize 4000x3000 to 448x336, middle 336x336 bicubic');
});

test.each(['image resize', 'image preprocess'] as const)('%s: a row has ours beside sharp', async (op) => {
  const row = await measureImage(
    { op, from: [64, 48], to: [32, 24], middle: [24, 24], filter: 'bilinear' },
    0,
  );
  expect(row).toMatchObject({ op, shape: '64x48 to 32x24, middle 24x24', dtype: 'bilinear', samples: 9 });
  expect(row.sharp.name).toMatch(/^sharp, \d+ threads? \(its default\)$/);
  expect(row.overSharp).toBe(row.ms / row.sharp.median);
  expect(row.cpuOverSharp).toBe(row.cpuMs / row.sharp.cpuMs);
  expect(row.others.some(({ name }) => name.includes('decoded whole'))).toBe(op === 'image preprocess');
  expect(formatImages([row])[1]).toContain('64x48 to 32x24, middle 24x24');

  const report = JSON.stringify({ adapter: 'a', commit: 'b', rows: [], images: [row] });
  expect(parseReport(report, 'report.json').rows.map(({ name }) => name)).toEqual([
    `${op} 64x48 to 32x24, middle 24x24 bilinear`,
  ]);
});
