import { ACTIVATIONS, type Activation } from '../ops/activation.ts';
import type { ConfigReader } from './config-reader.ts';

/** Other names of the same functions in transformers' ACT2FN: https://github.com/huggingface/transformers/blob/main/src/transformers/activations.py */
const ALIASES: Readonly<Record<string, Activation>> = {
  gelu_new: 'gelu_pytorch_tanh',
  gelu_fast: 'gelu_pytorch_tanh',
  gelu_python: 'gelu',
  swish: 'silu',
};

/** An activation by any name the reference gives it. Throws ConfigError for one this engine lacks. */
export function readActivation(json: ConfigReader, field: string, fallback: Activation): Activation {
  const names = [...ACTIVATIONS, ...Object.keys(ALIASES)];
  const name = json.choice(field, names, fallback);
  return ALIASES[name] ?? ACTIVATIONS.find((activation) => activation === name) ?? fallback;
}
