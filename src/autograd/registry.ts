import type { Op } from '../ops/op.ts';
import type { Gradient, GradientRule } from './gradient.ts';
import { attentionGradient } from './rules/attention.ts';
import { elementwiseGradient } from './rules/elementwise.ts';
import {
  adaptiveAvgPool2dGradient,
  avgPool2dGradient,
  conv2dGradient,
  interpolateGradient,
} from './rules/feature-maps.ts';
import { cacheAppendGradient, embeddingGradient, ropeGradient, spliceRowsGradient } from './rules/gathers.ts';
import {
  castGradient,
  concatGradient,
  patchifyGradient,
  permuteGradient,
  reshapeGradient,
  sliceGradient,
} from './rules/movement.ts';
import { layerNormGradient, rmsNormGradient, softmaxGradient } from './rules/norms.ts';
import { linearGradient, matmulGradient } from './rules/products.ts';
import { logSumExpGradient, reduceGradient } from './rules/reductions.ts';

const RULES: readonly GradientRule[] = [
  adaptiveAvgPool2dGradient,
  attentionGradient,
  avgPool2dGradient,
  cacheAppendGradient,
  castGradient,
  concatGradient,
  conv2dGradient,
  elementwiseGradient,
  embeddingGradient,
  interpolateGradient,
  layerNormGradient,
  linearGradient,
  logSumExpGradient,
  matmulGradient,
  patchifyGradient,
  permuteGradient,
  reduceGradient,
  reshapeGradient,
  rmsNormGradient,
  ropeGradient,
  sliceGradient,
  softmaxGradient,
  spliceRowsGradient,
];

const BY_OP: ReadonlyMap<Op, Gradient> = new Map(RULES.map(({ op, gradient }) => [op, gradient]));

/** The gradient of an op; undefined where it has none. */
export const gradientOf = (op: Op): Gradient | undefined => BY_OP.get(op);
