import { checkSize2d, featureMapSizes, mapElements, type Size2d } from './feature-map.ts';
import { defineOp, type Reference, required } from './op.ts';

export type InterpolateAttrs = { readonly size: Size2d; readonly mode: 'bilinear' | 'bicubic' };

/**
 * Resampling as torch's `interpolate` with align_corners=False and no antialiasing (bicubic a = -0.75), which position
 * tables go through. For pictures see image/resize.ts. x [B, C, H, W] → y [B, C, ...size].
 */
export const interpolate = defineOp<InterpolateAttrs>({
  name: 'interpolate',
  inputs: ['x'],
  infer(inputs, { size }, where) {
    const x = required(inputs, 'x', where);
    const { batch, channels } = featureMapSizes(x, where);
    checkSize2d('size', size, 1, where);
    return { y: { dtype: x.dtype, shape: [batch, channels, ...size] } };
  },
});

export const interpolateReference: Reference<InterpolateAttrs> = (inputs, { size, mode }) => {
  const x = required(inputs, 'x', 'interpolate');
  const { batch, channels, height, width } = featureMapSizes(x, 'interpolate');
  const clamp = (at: number, length: number): number => Math.min(Math.max(at, 0), length - 1);
  const y = mapElements([batch, channels, ...size], (plane, row, column) => {
    const sourceY = ((row + 0.5) * height) / size[0] - 0.5;
    const sourceX = ((column + 0.5) * width) / size[1] - 0.5;
    const weightsY = tapWeights(sourceY - Math.floor(sourceY), mode);
    const weightsX = tapWeights(sourceX - Math.floor(sourceX), mode);
    let sum = 0;
    weightsY.forEach((weightY, dy) => {
      const r = clamp(Math.floor(sourceY) + dy - 1, height);
      weightsX.forEach((weightX, dx) => {
        const c = clamp(Math.floor(sourceX) + dx - 1, width);
        sum += weightY * weightX * (x.data[(plane * height + r) * width + c] ?? Number.NaN);
      });
    });
    return sum;
  });
  return { y };
};

/** Weights of the four neighbours at -1, 0, 1 and 2 from a point `t` beyond the second (Keys 1981 for bicubic). */
function tapWeights(t: number, mode: InterpolateAttrs['mode']): readonly number[] {
  if (mode === 'bilinear') return [0, 1 - t, t, 0];
  const a = -0.75;
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((d - 5) * d + 8) * d * a - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}
