/** Max error over the RMS of the reference, by the dtype of all floats of the graph. */
export const GOLDEN_TOLERANCE = { f32: 1e-4, f16: 1e-2 } as const;

/**
 * Items whose golden is itself further than that from exact arithmetic, and how far: an adapter is compared with the
 * f64 interpreter in its place, and the interpreter with the golden within this.
 */
export const INEXACT_GOLDENS: Readonly<Record<string, number>> = {
  // Mean 100 and deviation 0.001: the rounding of its f32 mean puts the golden 0.0048 off.
  'layer_norm.2': 1e-2,
};

/** Items whose inputs f16 cannot hold, and why; the interpreter, given the rounded inputs, stands in here too. */
export const BEYOND_F16: Readonly<Record<string, string>> = {
  'layer_norm.2': 'a deviation of 0.001 about 100 rounds to 0',
  'softmax.3': 'the lowest finite f32 rounds to -infinity, and a row of that gives zeros',
};
