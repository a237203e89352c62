/** What every engine trains with; the decay is on all parameters, as torch has it. */
export const ADAMW = { rate: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 } as const;

/** Steps whose losses are a training case's result: the later ones are right only where gradients and updates are. */
export const TRAINED_STEPS = 3;

/** Whether an operand is a parameter, and not the input or the target. */
export const isTrained = (name: string): boolean => /\.(weight|bias)$/.test(name);
