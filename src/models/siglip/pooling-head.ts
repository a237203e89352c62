import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { attention } from '../../graph/attention.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { add } from '../../graph/math.ts';
import { reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { SiglipVisionConfig } from './config.ts';
import { siglipMlp, siglipNorm } from './encoder-layer.ts';

/**
 * One learned query, the probe, attends to all patches (multihead attention pooling: Lee et al. 2019, arXiv 1810.00825;
 * Zhai et al. 2022, arXiv 2106.04560). Reference: SiglipMultiheadAttentionPoolingHead.
 * x [B, P, C] after `post_layernorm` → [B, C]
 */
export function siglipPoolingHead(x: Tensor, config: SiglipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C } = config;
  const [B = 1] = x.shape;
  const attended = probeAttention(probeRows(x, config, w), x, config, w.scope('attention')); // [B, 1, C]
  const h = siglipMlp(siglipNorm(attended, config, w, 'layernorm'), config, w.scope('mlp'));
  return reshape(add(attended, h), [B, C]);
}

/** The probe once per picture, [B, 1, C]: a gather of one row, since a parameter has no batch axis to broadcast. */
function probeRows(x: Tensor, { hiddenSize: C }: SiglipVisionConfig, w: Parameters): Tensor {
  const { graph, dtype, shape } = x;
  const [B = 1] = shape;
  invariant(isFloat(dtype), `hidden states are ${dtype}`);
  const firstRow = graph.constant(`vision.probe_rows.${B}`, new Uint32Array(B), [B, 1]);
  return embedding(firstRow, reshape(w.get('probe', [1, 1, C]), [1, C]), { dtype });
}

/** torch's MultiheadAttention, whose query, key and value weights lie in one tensor. [B, 1, C], [B, P, C] → [B, 1, C] */
function probeAttention(probe: Tensor, x: Tensor, config: SiglipVisionConfig, w: Parameters): Tensor {
  const { hiddenSize: C, numAttentionHeads: H } = config;
  const weight = w.get('in_proj_weight', [3 * C, C]);
  const bias = w.get('in_proj_bias', [3 * C]);
  const heads = (input: Tensor, part: number): Tensor => {
    const [B = 1, S = 1] = input.shape;
    const rows = (packed: Tensor): Tensor => slice(packed, 0, part * C, (part + 1) * C);
    return reshape(linear(input, rows(weight), { bias: rows(bias) }), [B, S, H, C / H]);
  };
  const y = attention(heads(probe, 0), heads(x, 1), heads(x, 2)); // [B, 1, H, D]
  return linear(reshape(y, probe.shape), w.get('out_proj.weight', [C, C]), {
    bias: w.get('out_proj.bias', [C]),
  });
}
