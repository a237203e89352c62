import { ShapeError } from '../core/errors.ts';
import { formatShape, sameShape } from '../core/shape.ts';
import {
  defineOp,
  type Named,
  type Reference,
  type ReferenceTensor,
  required,
  type TensorType,
} from './op.ts';

/** Places in `control`, what a step of an optimizer needs to know beside gradients. */
export const CONTROL = {
  learningRate: 0,
  /** 1 - beta1^t and 1 - beta2^t of step t, counted from 1. */
  correction1: 1,
  correction2: 2,
  /** What gradients are multiplied by; 0 leaves everything as it was: the step is skipped. */
  factor: 3,
  /** Norm of all gradients together, before clipping. */
  norm: 4,
  lossScale: 5,
  /** Steps taken, and those skipped. */
  steps: 6,
  skipped: 7,
} as const;
export const CONTROL_SIZE = 8;

/** Places in `progress`, which lives on between steps. */
export const PROGRESS = { steps: 0, lossScale: 1, stepsAtScale: 2, skipped: 3 } as const;
export const PROGRESS_SIZE = 4;

export type OptimizerControlAttrs = {
  /** Largest norm of all gradients together; null for no limit. */
  readonly clipNorm: number | null;
  /** Decay of Adam's moments, for their correction; 0 where there are none. */
  readonly beta1: number;
  readonly beta2: number;
  /** Finite steps in a row after which the loss scale doubles; null leaves it as it is. */
  readonly growthInterval: number | null;
  /** Batches whose gradients were added up, of which the mean is meant. */
  readonly batches: number;
};

/** Bounds of the loss scale: it must leave room for sums of squares in f32. */
export const LOSS_SCALE_BOUNDS = { min: 1, max: 2 ** 24 } as const;
/** Keeps the clipping of a tiny norm finite, as torch's clip_grad_norm_. */
export const CLIP_EPS = 1e-6;

/**
 * Decides on a step: norm of the gradients, clipping (Pascanu et al. 2013, arXiv 1211.5063, algorithm 1), and with scaled
 * losses (Micikevicius et al. 2018, arXiv 1710.03740, section 3.2) whether it is taken at all: where the norm is not
 * finite the step is skipped and the scale halved, after `growthInterval` finite ones it is doubled.
 * squaredNorm [] f32, of scaled and summed gradients, learningRate [1] f32, progress [4] → progress in place, control [8].
 */
export const optimizerControl = defineOp<OptimizerControlAttrs>({
  name: 'optimizerControl',
  inputs: ['progress', 'squaredNorm', 'learningRate'],
  traits: { aliases: { progress: 'progress' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const progress = required(inputs, 'progress', where);
    if (progress.dtype !== 'f32' || !sameShape(progress.shape, [PROGRESS_SIZE])) {
      throw new ShapeError(
        `${where}: progress is ${progress.dtype} ${formatShape(progress.shape)}; expected f32 [${PROGRESS_SIZE}].`,
      );
    }
    return { progress, control: { dtype: 'f32', shape: [CONTROL_SIZE] } };
  },
});

export const optimizerControlReference: Reference<OptimizerControlAttrs> = (
  inputs,
  { clipNorm, beta1, beta2, growthInterval, batches },
) => {
  const [steps = 0, scale = 1, atScale = 0, skipped = 0] = required(inputs, 'progress', 'control').data;
  const [squaredNorm = Number.NaN] = required(inputs, 'squaredNorm', 'control').data;
  const [learningRate = Number.NaN] = required(inputs, 'learningRate', 'control').data;
  const norm = Math.sqrt(squaredNorm) / (scale * batches);
  if (!Number.isFinite(norm)) {
    const halved = growthInterval === null ? scale : Math.max(scale / 2, LOSS_SCALE_BOUNDS.min);
    return {
      progress: Float64Array.of(steps, halved, 0, skipped + 1),
      control: Float64Array.of(learningRate, 1, 1, 0, norm, scale, steps, skipped + 1),
    };
  }
  const t = steps + 1;
  const clipped = clipNorm === null ? 1 : Math.min(1, clipNorm / (norm + CLIP_EPS));
  const grows = growthInterval !== null && atScale + 1 >= growthInterval;
  const next = grows ? Math.min(2 * scale, LOSS_SCALE_BOUNDS.max) : scale;
  const factor = clipped / (scale * batches);
  return {
    progress: Float64Array.of(t, next, grows ? 0 : atScale + 1, skipped),
    control: Float64Array.of(learningRate, 1 - beta1 ** t, 1 - beta2 ** t, factor, norm, scale, t, skipped),
  };
};

export type AdamwAttrs = {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Decay apart from the gradient (AdamW), or added to it (Adam with L2). */
  readonly decoupled: boolean;
  /** Largest value a parameter may have; null for any. */
  readonly max: number | null;
};

/**
 * One step of AdamW in place (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2; Adam: Kingma & Ba 2015, arXiv
 * 1412.6980, algorithm 1). parameter, mean, variance, gradient [...] f32, control [8] f32 → the first three.
 */
export const adamwUpdate = defineOp<AdamwAttrs>({
  name: 'adamwUpdate',
  inputs: ['parameter', 'mean', 'variance', 'gradient', 'control'],
  traits: {
    aliases: { parameter: 'parameter', mean: 'mean', variance: 'variance' },
    writesAlias: true,
  },
  infer(inputs, _attrs, where) {
    const [parameter, mean, variance] = checkUpdate(inputs, ['parameter', 'mean', 'variance'], where);
    return { parameter, mean, variance } as Named<TensorType>;
  },
});

export const adamwUpdateReference: Reference<AdamwAttrs> = (
  inputs,
  { beta1, beta2, eps, weightDecay, decoupled, max },
) => {
  const { lr, factor, correction1, correction2, data } = updateInputs(inputs, 'adamwUpdate');
  const [parameter, mean, variance] = [data('parameter'), data('mean'), data('variance')];
  if (factor === 0) return { parameter, mean, variance };
  data('gradient').forEach((raw, i) => {
    const p = parameter[i] ?? Number.NaN;
    const g = raw * factor + (decoupled ? 0 : weightDecay * p);
    const m = beta1 * (mean[i] ?? Number.NaN) + (1 - beta1) * g;
    const v = beta2 * (variance[i] ?? Number.NaN) + (1 - beta2) * g * g;
    const decayed = decoupled ? p * (1 - lr * weightDecay) : p;
    const next = decayed - (lr * (m / correction1)) / (Math.sqrt(v / correction2) + eps);
    mean[i] = m;
    variance[i] = v;
    parameter[i] = max === null ? next : Math.min(next, max);
  });
  return { parameter, mean, variance };
};

export type SgdAttrs = {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly max: number | null;
};

/**
 * One step of gradient descent with momentum in place, as torch.optim.SGD (Sutskever et al. 2013, with its learning rate
 * outside of the velocity). parameter, velocity, gradient [...] f32, control [8] f32 → the first two.
 */
export const sgdUpdate = defineOp<SgdAttrs>({
  name: 'sgdUpdate',
  inputs: ['parameter', 'velocity', 'gradient', 'control'],
  traits: { aliases: { parameter: 'parameter', velocity: 'velocity' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const [parameter, velocity] = checkUpdate(inputs, ['parameter', 'velocity'], where);
    return { parameter, velocity } as Named<TensorType>;
  },
});

export const sgdUpdateReference: Reference<SgdAttrs> = (inputs, { momentum, weightDecay, nesterov, max }) => {
  const { lr, factor, data } = updateInputs(inputs, 'sgdUpdate');
  const [parameter, velocity] = [data('parameter'), data('velocity')];
  if (factor === 0) return { parameter, velocity };
  data('gradient').forEach((raw, i) => {
    const p = parameter[i] ?? Number.NaN;
    const g = raw * factor + weightDecay * p;
    const u = momentum * (velocity[i] ?? Number.NaN) + g;
    const next = p - lr * (nesterov ? g + momentum * u : u);
    velocity[i] = u;
    parameter[i] = max === null ? next : Math.min(next, max);
  });
  return { parameter, velocity };
};

/**
 * Adds x to a sum in place; where `keep` is 0 the sum begins anew, whatever it held. sum, x [...] f32, keep [1] f32 → sum.
 */
export const accumulate = defineOp<Record<never, never>>({
  name: 'accumulate',
  inputs: ['sum', 'x', 'keep'],
  traits: { aliases: { sum: 'sum' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const [sum, x] = [required(inputs, 'sum', where), required(inputs, 'x', where)];
    if (sum.dtype !== 'f32' || x.dtype !== 'f32' || !sameShape(sum.shape, x.shape)) {
      throw new ShapeError(
        `${where}: sum is ${sum.dtype} ${formatShape(sum.shape)}, x ${x.dtype} ${formatShape(x.shape)}; expected f32 of one shape.`,
      );
    }
    return { sum };
  },
});

export const accumulateReference: Reference = (inputs) => {
  const x = required(inputs, 'x', 'accumulate');
  const keep = required(inputs, 'keep', 'accumulate').data[0] !== 0;
  return {
    sum: required(inputs, 'sum', 'accumulate').data.map(
      (sum, i) => (keep ? sum : 0) + (x.data[i] ?? Number.NaN),
    ),
  };
};

/** The types of `names`, all f32 and shaped as the gradient. */
function checkUpdate(
  inputs: Named<TensorType>,
  names: readonly string[],
  where: string,
): readonly TensorType[] {
  const gradient = required(inputs, 'gradient', where);
  const types = names.map((name) => required(inputs, name, where));
  const odd = types.find(({ dtype, shape }) => dtype !== 'f32' || !sameShape(shape, gradient.shape));
  if (odd || gradient.dtype !== 'f32') {
    const { dtype, shape } = odd ?? gradient;
    throw new ShapeError(
      `${where}: one is ${dtype} ${formatShape(shape)}, the gradient ${formatShape(gradient.shape)}; expected f32 of one shape.`,
    );
  }
  return types;
}

function updateInputs(inputs: Named<ReferenceTensor>, where: string) {
  const { data: control } = required(inputs, 'control', where);
  const read = (place: number): number => control[place] ?? Number.NaN;
  return {
    lr: read(CONTROL.learningRate),
    correction1: read(CONTROL.correction1),
    correction2: read(CONTROL.correction2),
    factor: read(CONTROL.factor),
    /** A copy. */
    data: (name: string): Float64Array => required(inputs, name, where).data.slice(),
  };
}
