import { invariant } from '../../core/errors.ts';
import type { RopeParameters } from './rope-parameters.ts';

/** cos and sin of every position (or token) and frequency, [rows, rotaryDim / 2] row-major. */
export interface RopeTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Tables for positions 0 to length - 1, rounded to f32 at each step as transformers does on the host.
 * Reference: modeling_rope_utils.py and LlamaRotaryEmbedding.forward of transformers 4.46.
 */
export const ropeTables = (rope: RopeParameters, length: number): RopeTables =>
  tablesOf(inverseFrequencies(rope), length, (row) => row);

/**
 * Tables of a sequence whose tokens have a position along each of several axes (M-RoPE: time, height, width), a row
 * per token: the first sections[0] frequencies turn by positions[0], the next sections[1] by positions[1], and so on,
 * beginning anew behind the last axis.
 * Reference: Qwen2VLRotaryEmbedding.recomposition_frequencies of transformers 5.23.
 */
export function mropeTables(
  rope: RopeParameters,
  sections: readonly number[],
  positions: readonly ArrayLike<number>[],
): RopeTables {
  const axisOf = sections.flatMap((size, i) => new Array<number>(size).fill(i % positions.length));
  return axialTables(inverseFrequencies(rope), axisOf, positions);
}

/** The same with the axis of each frequency given: frequency i turns by positions[axisOf[i]]. */
export function axialTables(
  frequencies: Float32Array,
  axisOf: readonly number[],
  positions: readonly ArrayLike<number>[],
): RopeTables {
  invariant(
    axisOf.length === frequencies.length,
    `${axisOf.length} axes are given for ${frequencies.length} frequencies`,
  );
  const tokens = positions[0]?.length ?? 0;
  return tablesOf(frequencies, tokens, (row, i) => positions[axisOf[i] ?? 0]?.[row] ?? Number.NaN);
}

function tablesOf(
  frequencies: Float32Array,
  rows: number,
  positionAt: (row: number, frequency: number) => number,
): RopeTables {
  const cos = new Float32Array(rows * frequencies.length);
  const sin = new Float32Array(rows * frequencies.length);
  for (let row = 0; row < rows; row++) {
    frequencies.forEach((frequency, i) => {
      const angle = Math.fround(positionAt(row, i) * frequency);
      cos[row * frequencies.length + i] = Math.cos(angle);
      sin[row * frequencies.length + i] = Math.sin(angle);
    });
  }
  return { cos, sin };
}

/** Radians per position of each of the rotaryDim / 2 frequencies, fastest first, after scaling. */
export function inverseFrequencies(rope: RopeParameters): Float32Array {
  const { theta, rotaryDim } = rope;
  const plain = Float32Array.from(
    { length: rotaryDim / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / rotaryDim)),
  );
  switch (rope.ropeType) {
    case 'default':
      return plain;
    case 'linear':
      return plain.map((frequency) => frequency / rope.factor);
    case 'llama3':
      return plain.map((frequency) => llama3Frequency(frequency, rope));
  }
}

/** Long waves are slowed by `factor`, short ones kept, those between blended linearly. */
function llama3Frequency(frequency: number, rope: Extract<RopeParameters, { ropeType: 'llama3' }>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: context } = rope;
  const wavelength = Math.fround((2 * Math.PI) / frequency);
  if (wavelength < context / highFreqFactor) return frequency;
  if (wavelength > context / lowFreqFactor) return frequency / factor;
  const waves = Math.fround(context / wavelength);
  const smooth = Math.fround(Math.fround(waves - lowFreqFactor) / (highFreqFactor - lowFreqFactor));
  const slowed = Math.fround(Math.fround(Math.fround(1 - smooth) * frequency) / factor);
  return slowed + Math.fround(smooth * frequency);
}
