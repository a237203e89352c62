import { UnsupportedError } from '../../core/errors.ts';
import type { ConfigReader } from '../config-reader.ts';

/** Rotary embedding settings; the union's tag is the checkpoint's `rope_type`. */
export type RopeParameters = { readonly theta: number; readonly rotaryDim: number } & (
  | { readonly ropeType: 'default' }
  /** Positions divided by `factor` (Chen et al. 2023, arXiv 2306.15595). */
  | { readonly ropeType: 'linear'; readonly factor: number }
  /** Llama 3.1: low frequencies divided by `factor`, high ones kept, a ramp between. */
  | {
      readonly ropeType: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositionEmbeddings: number;
    }
);

/** The default of transformers' config classes where `rope_theta` is left out. */
const DEFAULT_THETA = 10000;

/**
 * Reads `rope_parameters` (transformers 5) or `rope_theta` with `rope_scaling` (4.x).
 * Throws UnsupportedError for a scaling this engine does not know.
 */
export function parseRopeParameters(json: ConfigReader, headDim: number): RopeParameters {
  const scaling = json.optionalObject('rope_parameters') ?? json.optionalObject('rope_scaling');
  return ropeOf(scaling, json.number('rope_theta', DEFAULT_THETA), headDim);
}

/** Settings of one kind of layers; `theta` where they name none. */
export function ropeOf(scaling: ConfigReader | undefined, theta: number, headDim: number): RopeParameters {
  const base = { theta: scaling?.number('rope_theta', theta) ?? theta, rotaryDim: headDim };
  // 4.x files before llama3 spell the tag `type`.
  const ropeType = scaling?.string('rope_type', scaling.string('type', 'default')) ?? 'default';
  if (!scaling || ropeType === 'default') return { ...base, ropeType: 'default' };
  if (ropeType === 'linear') return { ...base, ropeType, factor: scaling.number('factor') };
  if (ropeType === 'llama3') {
    return {
      ...base,
      ropeType,
      factor: scaling.number('factor'),
      lowFreqFactor: scaling.number('low_freq_factor'),
      highFreqFactor: scaling.number('high_freq_factor'),
      originalMaxPositionEmbeddings: scaling.count('original_max_position_embeddings'),
    };
  }
  throw new UnsupportedError(
    `${scaling.where}: rope_type "${ropeType}" is not supported; expected "default", "linear" or "llama3".`,
  );
}
