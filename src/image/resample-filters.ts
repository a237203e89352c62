/**
 * Pillow's resampling kernels: `support` is the radius in source pixels at scale 1.
 * Source: Pillow, src/libImaging/Resample.c.
 */
export type ResampleFilter = {
  readonly support: number;
  readonly weight: (x: number) => number;
};

/** Every filter but nearest, which Pillow does not run through the resampler. */
export type SmoothFilterName = 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';
export type FilterName = 'nearest' | SmoothFilterName;

/** Pillow's `Image.Resampling` codes, as `resample` in a preprocessor_config.json holds them. */
export const filterByResampleCode: ReadonlyMap<number, FilterName> = new Map([
  [0, 'nearest'],
  [1, 'lanczos'],
  [2, 'bilinear'],
  [3, 'bicubic'],
  [4, 'box'],
  [5, 'hamming'],
]);

// Half open, so that a sample exactly between two pixels counts once.
const box = (x: number): number => (x > -0.5 && x <= 0.5 ? 1 : 0);

function bilinear(x: number): number {
  const distance = Math.abs(x);
  return distance < 1 ? 1 - distance : 0;
}

function hamming(x: number): number {
  const distance = Math.abs(x);
  if (distance === 0) return 1;
  if (distance >= 1) return 0;
  const angle = distance * Math.PI;
  // 0.54 and 0.46 are C floats in Pillow, widened to double; `Math.fround` keeps their exact value.
  return (Math.sin(angle) / angle) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(angle));
}

/** Keys' cubic convolution with a = -0.5 (Catmull-Rom), as Pillow has it; torch and OpenCV use -0.75. */
function bicubic(x: number): number {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}

function sinc(x: number): number {
  if (x === 0) return 1;
  return Math.sin(x * Math.PI) / (x * Math.PI);
}

const lanczos = (x: number): number => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0);

export const smoothFilters: Readonly<Record<SmoothFilterName, ResampleFilter>> = {
  box: { support: 0.5, weight: box },
  bilinear: { support: 1, weight: bilinear },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: lanczos },
};
