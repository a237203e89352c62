import { EPS, type OpOf, ROPE_THETA, VIT_EPS } from './peer-case.ts';
import type { Tf, TfCore } from './tfjs-api.ts';

/** x [1, S, H, D] or [S, H * D] → [H, S, D] */
export function splitHeads(tf: TfCore, x: Tf, heads: number): Tf {
  const [seq = 0, width = 0] = x.shape.length === 4 ? [x.shape[1], heads * (x.shape[3] ?? 0)] : x.shape;
  return tf.transpose(tf.reshape(x, [seq, heads, width / heads]), [1, 0, 2]);
}

export const causalMask = (tf: TfCore, seq: number): Tf =>
  tf.tensor(
    Float32Array.from({ length: seq * seq }, (_, i) => (i % seq <= Math.floor(i / seq) ? 0 : -1e9)),
    [1, seq, seq],
  );

/** q, k, v [H, S, D] → [H, S, D] */
export function attend(tf: TfCore, q: Tf, k: Tf, v: Tf, mask?: Tf): Tf {
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(q.shape[2] ?? 1));
  return tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores), v);
}

export function layerNorm(tf: TfCore, x: Tf, weight: Tf, bias: Tf, eps: number): Tf {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.sub(x, mean), tf.mul(tf.rsqrt(tf.add(variance, eps)), weight)), bias);
}

const rmsNorm = (tf: TfCore, x: Tf, weight: Tf): Tf =>
  tf.mul(x, tf.mul(tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), EPS)), weight));

export function vitBlock(
  tf: TfCore,
  { seq, hidden, heads }: OpOf<'vit block' | 'train step'>,
  of: (name: string) => Tf,
): Tf {
  const linear = (x: Tf, name: string): Tf =>
    tf.fused.matMul({ a: x, b: of(`${name}.weight`), bias: of(`${name}.bias`), transposeB: true });
  const norm = (x: Tf, name: string): Tf =>
    layerNorm(tf, x, of(`${name}.weight`), of(`${name}.bias`), VIT_EPS);
  const x = tf.reshape(of('x'), [seq, hidden]);
  const h = norm(x, 'layer_norm1');
  const split = (name: string): Tf => splitHeads(tf, linear(h, `self_attn.${name}`), heads);
  const y = attend(tf, split('q_proj'), split('k_proj'), split('v_proj'));
  const joined = tf.reshape(tf.transpose(y, [1, 0, 2]), [seq, hidden]);
  const attended = tf.add(x, linear(joined, 'self_attn.out_proj'));
  const up = linear(norm(attended, 'layer_norm2'), 'mlp.fc1');
  const gelu = tf.mul(tf.mul(up, 0.5), tf.add(tf.erf(tf.mul(up, Math.SQRT1_2)), 1));
  return tf.add(attended, linear(gelu, 'mlp.fc2'));
}

export interface RopeRow {
  readonly cos: Tf;
  readonly sin: Tf;
}

export function ropeRow(tf: TfCore, { hidden, heads, past }: OpOf<'decoder step'>): RopeRow {
  const half = hidden / heads / 2;
  const angles = Float32Array.from({ length: half }, (_, i) => past / ROPE_THETA ** (i / half));
  return { cos: tf.tensor(angles.map(Math.cos), [half]), sin: tf.tensor(angles.map(Math.sin), [half]) };
}

export function decoderStep(
  tf: TfCore,
  { hidden, heads, kvHeads, layers }: OpOf<'decoder step'>,
  of: (name: string) => Tf,
  { cos, sin }: RopeRow,
  caches: readonly (readonly Tf[])[],
): Tf {
  const D = hidden / heads;
  const turn = (x: Tf): Tf => {
    const [a, b] = tf.split(x, 2, -1);
    if (!a || !b) throw new Error('split gave fewer than two parts');
    return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1);
  };
  let x = tf.reshape(of('x'), [1, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (input: Tf, name: string): Tf =>
      tf.matMul(input, of(`layers.${layer}.${name}.weight`), false, true);
    const norm = (input: Tf, name: string): Tf => rmsNorm(tf, input, of(`layers.${layer}.${name}.weight`));
    const [pastKeys, pastValues] = caches[layer] ?? [];
    if (!pastKeys || !pastValues) throw new Error(`there is no cache of layer ${layer}`);
    const h = norm(x, 'input_layernorm');
    const q = tf.reshape(turn(tf.reshape(linear(h, 'self_attn.q_proj'), [heads, D])), [
      kvHeads,
      heads / kvHeads,
      D,
    ]);
    const k = tf.reshape(turn(tf.reshape(linear(h, 'self_attn.k_proj'), [kvHeads, D])), [kvHeads, 1, D]);
    const v = tf.reshape(linear(h, 'self_attn.v_proj'), [kvHeads, 1, D]);
    const y = attend(tf, q, tf.concat([pastKeys, k], 1), tf.concat([pastValues, v], 1));
    x = tf.add(x, linear(tf.reshape(y, [1, hidden]), 'self_attn.o_proj'));
    const g = norm(x, 'post_attention_layernorm');
    const gate = linear(g, 'mlp.gate_proj');
    const up = linear(g, 'mlp.up_proj');
    x = tf.add(x, linear(tf.mul(tf.mul(gate, tf.sigmoid(gate)), up), 'mlp.down_proj'));
  }
  return rmsNorm(tf, x, of('norm.weight'));
}
