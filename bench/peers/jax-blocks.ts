import type { Arr, Jax } from './jax-api.ts';
import { EPS, type OpOf, VIT_EPS } from './peer-case.ts';

/** x [1, S, C] → [S, C] */
export function vitBlock(
  { numpy: np, nn }: Jax,
  one: OpOf<'vit block' | 'train step'>,
  of: (name: string) => Arr,
): Arr {
  const { seq, hidden, heads } = one;
  const linear = (x: Arr, name: string): Arr => np.matmul(x, of(`${name}.weight`)).add(of(`${name}.bias`));
  const norm = (x: Arr, name: string): Arr =>
    nn
      .standardize(x, -1, { epsilon: VIT_EPS })
      .mul(of(`${name}.weight`))
      .add(of(`${name}.bias`));
  const x = of('x').reshape([seq, hidden]);
  const h = norm(x.ref, 'layer_norm1');
  const split = (input: Arr, name: string): Arr =>
    linear(input, `self_attn.${name}`).reshape([1, seq, heads, hidden / heads]);
  const y = nn.dotProductAttention(split(h.ref, 'q_proj'), split(h.ref, 'k_proj'), split(h, 'v_proj'));
  const attended = x.add(linear(y.reshape([seq, hidden]), 'self_attn.out_proj'));
  const up = linear(norm(attended.ref, 'layer_norm2'), 'mlp.fc1');
  return attended.add(linear(nn.gelu(up, { approximate: false }), 'mlp.fc2'));
}

export function decoderStep(
  { numpy: np, nn }: Jax,
  one: OpOf<'decoder step'>,
  of: (name: string) => Arr,
  cos: Arr,
  sin: Arr,
): Arr {
  const { hidden, heads, kvHeads, layers, past } = one;
  const D = hidden / heads;
  const turn = (x: Arr): Arr => {
    const a = x.ref.slice([], [0, D / 2]);
    const b = x.slice([], [D / 2, D]);
    const turned = [a.ref.mul(cos.ref).sub(b.ref.mul(sin.ref)), b.mul(cos.ref).add(a.mul(sin.ref))];
    return np.concatenate(turned, -1);
  };
  const rmsNorm = (x: Arr, weight: Arr): Arr =>
    x.ref.div(np.sqrt(np.mean(np.square(x), -1, { keepdims: true }).add(EPS))).mul(weight);
  let x = of('x').reshape([1, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (input: Arr, name: string): Arr => np.matmul(input, of(`layers.${layer}.${name}.weight`));
    const cache = (name: string, last: Arr): Arr => {
      const before = np.transpose(of(`past.${layer}.${name}`).reshape([past, kvHeads, D]), [1, 0, 2]);
      return np.concatenate([before, last.reshape([kvHeads, 1, D])], 1);
    };
    const h = rmsNorm(x.ref, of(`layers.${layer}.input_layernorm.weight`));
    const q = turn(linear(h.ref, 'self_attn.q_proj').reshape([heads, D])).reshape([
      kvHeads,
      heads / kvHeads,
      D,
    ]);
    const keys = cache('key', turn(linear(h.ref, 'self_attn.k_proj').reshape([kvHeads, D])));
    const values = cache('value', linear(h, 'self_attn.v_proj'));
    const scores = np.matmul(q, np.transpose(keys, [0, 2, 1])).mul(1 / Math.sqrt(D));
    const y = np.matmul(nn.softmax(scores, -1), values).reshape([1, hidden]);
    x = x.add(linear(y, 'self_attn.o_proj'));
    const g = rmsNorm(x.ref, of(`layers.${layer}.post_attention_layernorm.weight`));
    const gate = nn.silu(linear(g.ref, 'mlp.gate_proj'));
    x = x.add(linear(gate.mul(linear(g, 'mlp.up_proj')), 'mlp.down_proj'));
  }
  return rmsNorm(x, of('norm.weight'));
}
