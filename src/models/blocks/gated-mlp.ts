import { activation, mul } from '../../graph/math.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import type { Parameters } from '../parameters.ts';
import { biasedLinear } from './biased-linear.ts';

export interface GatedMlpConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly hiddenAct: Activation;
  readonly mlpBias: boolean;
}

/** SwiGLU, GEGLU and kin (Shazeer 2020, arXiv 2002.05202): down(act(gate(x)) * up(x)). [B, S, C] → [B, S, C] */
export function gatedMlp(x: Tensor, config: GatedMlpConfig, w: Parameters): Tensor {
  const { hiddenSize: C, intermediateSize: F, hiddenAct, mlpBias } = config;
  const gate = activation(biasedLinear(x, w, 'gate_proj', [F, C], mlpBias), hiddenAct); // [B, S, F]
  const up = biasedLinear(x, w, 'up_proj', [F, C], mlpBias); // [B, S, F]
  return biasedLinear(mul(gate, up), w, 'down_proj', [C, F], mlpBias);
}
