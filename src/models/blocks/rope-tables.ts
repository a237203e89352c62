import type { RopeParameters } from './rope-parameters.ts';

/** cos and sin of every position and frequency, [length, rotaryDim / 2] row-major. */
export interface RopeTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * Tables for positions 0 to length - 1, rounded to f32 at each step as transformers does on the host.
 * Reference: modeling_rope_utils.py and LlamaRotaryEmbedding.forward of transformers 4.46.
 */
export function ropeTables(rope: RopeParameters, length: number): RopeTables {
  const frequencies = inverseFrequencies(rope);
  const cos = new Float32Array(length * frequencies.length);
  const sin = new Float32Array(length * frequencies.length);
  for (let position = 0; position < length; position++) {
    frequencies.forEach((frequency, i) => {
      const angle = Math.fround(position * frequency);
      cos[position * frequencies.length + i] = Math.cos(angle);
      sin[position * frequencies.length + i] = Math.sin(angle);
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
