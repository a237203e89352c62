import { adamwUpdate, sgdUpdate } from '../graph/optimizer.ts';
import type { Tensor } from '../graph/tensor.ts';

/** Loshchilov & Hutter 2019, arXiv 1711.05101. Defaults are torch's. */
export interface AdamwOptions {
  readonly kind: 'adamw';
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  readonly weightDecay?: number;
  /** False adds the decay to the gradient: Adam with L2. Default true. */
  readonly decoupled?: boolean;
}

/** Gradient descent with momentum, as torch.optim.SGD. */
export interface SgdOptions {
  readonly kind: 'sgd';
  /** Default 0. */
  readonly momentum?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Default false. */
  readonly nesterov?: boolean;
}

/** AdamW, or gradient descent with momentum; `kind` says which. */
export type OptimizerOptions = AdamwOptions | SgdOptions;

const ADAMW = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, decoupled: true } as const;

/** The decays of Adam's moments, which its correction needs; 0 where there are none. */
export const momentDecays = (optimizer: OptimizerOptions) => ({
  beta1: optimizer.kind === 'adamw' ? (optimizer.beta1 ?? ADAMW.beta1) : 0,
  beta2: optimizer.kind === 'adamw' ? (optimizer.beta2 ?? ADAMW.beta2) : 0,
});

/** One parameter as an optimizer sees it. */
export interface Update {
  readonly name: string;
  /** A state. */
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly decays: boolean;
  readonly max: number | null;
}

/** Adds one step of one parameter to the graph; what the optimizer keeps of it are states named by it. */
export function addUpdate(optimizer: OptimizerOptions, update: Update, control: Tensor): Tensor {
  const { name, parameter, gradient, decays, max } = update;
  const state = (kind: string): Tensor => parameter.graph.state(`${kind}.${name}`, parameter.shape, 'f32');
  if (optimizer.kind === 'sgd') {
    const { momentum = 0, weightDecay = 0, nesterov = false } = optimizer;
    const attrs = { momentum, nesterov, max, weightDecay: decays ? weightDecay : 0 };
    return sgdUpdate({ parameter, gradient, velocity: state('velocity') }, control, attrs);
  }
  const { kind: _kind, ...given } = optimizer;
  const { weightDecay, ...attrs } = { ...ADAMW, ...given };
  return adamwUpdate({ parameter, gradient, mean: state('mean'), variance: state('variance') }, control, {
    ...attrs,
    max,
    weightDecay: decays ? weightDecay : 0,
  });
}
