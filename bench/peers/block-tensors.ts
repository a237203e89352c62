import type { Shape } from '../../src/core/shape.ts';
import type { OpOf } from './peer-case.ts';

/** Operands of a block by the names of Hugging Face checkpoints; keys and values in the cache are `past.N.key`, `past.N.value`. */
export function blockTensors(
  one: OpOf<'vit block' | 'train step' | 'decoder step'>,
): Readonly<Record<string, Shape>> {
  if (one.op === 'decoder step') return decoderTensors(one);
  const tensors = vitTensors(one);
  return one.op === 'train step' ? { ...tensors, target: [1, one.seq, one.hidden] } : tensors;
}

function vitTensors({ seq, hidden: C, mlp: F }: OpOf<'vit block' | 'train step'>): Record<string, Shape> {
  const linear = (name: string, outputs: number, inputs: number): Record<string, Shape> => ({
    [`${name}.weight`]: [outputs, inputs],
    [`${name}.bias`]: [outputs],
  });
  const norm = (name: string): Record<string, Shape> => ({ [`${name}.weight`]: [C], [`${name}.bias`]: [C] });
  const projections = ['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) =>
    linear(`self_attn.${name}`, C, C),
  );
  return Object.assign(
    { x: [1, seq, C] },
    norm('layer_norm1'),
    norm('layer_norm2'),
    ...projections,
    linear('mlp.fc1', F, C),
    linear('mlp.fc2', C, F),
  );
}

function decoderTensors(one: OpOf<'decoder step'>): Record<string, Shape> {
  const { hidden: C, heads, kvHeads, mlp: F, layers, past } = one;
  const D = C / heads;
  const tensors: Record<string, Shape> = { x: [1, 1, C], 'norm.weight': [C] };
  for (let layer = 0; layer < layers; layer++) {
    Object.assign(tensors, {
      [`layers.${layer}.input_layernorm.weight`]: [C],
      [`layers.${layer}.self_attn.q_proj.weight`]: [C, C],
      [`layers.${layer}.self_attn.k_proj.weight`]: [kvHeads * D, C],
      [`layers.${layer}.self_attn.v_proj.weight`]: [kvHeads * D, C],
      [`layers.${layer}.self_attn.o_proj.weight`]: [C, C],
      [`layers.${layer}.post_attention_layernorm.weight`]: [C],
      [`layers.${layer}.mlp.gate_proj.weight`]: [F, C],
      [`layers.${layer}.mlp.up_proj.weight`]: [F, C],
      [`layers.${layer}.mlp.down_proj.weight`]: [C, F],
      [`past.${layer}.key`]: [1, past, kvHeads, D],
      [`past.${layer}.value`]: [1, past, kvHeads, D],
    });
  }
  return tensors;
}
