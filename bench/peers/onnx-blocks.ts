import type { OnnxGraph } from './onnx-graph.ts';
import { EPS, type OpOf, ROPE_THETA, VIT_EPS } from './peer-case.ts';

/** Operands as they are, and weights as MatMul takes them. */
export interface OnnxOperands {
  of(name: string): string;
  turned(name: string): string;
}

/** As a fused export has it (variant 0), or with attention of plain ops (variant 1). Takes the input x. */
export function onnxVitBlock(
  graph: OnnxGraph,
  { seq, hidden, heads }: OpOf<'vit block'>,
  { of, turned }: OnnxOperands,
  variant: number,
): string {
  const D = hidden / heads;
  const linear = (x: string, name: string): string =>
    graph.node('Add', [graph.node('MatMul', [x, turned(`${name}.weight`)]), of(`${name}.bias`)]);
  const norm = (x: string, name: string): string =>
    graph.node('LayerNormalization', [x, of(`${name}.weight`), of(`${name}.bias`)], {
      axis: -1,
      epsilon: { f: VIT_EPS },
    });
  const shape = (name: string, dims: readonly number[]): string =>
    graph.constant(name, [dims.length], 'i64', dims);
  const split = (x: string, perm: readonly number[]): string => {
    const parts = graph.node('Reshape', [x, shape('heads', [1, seq, heads, D])]);
    return graph.node('Transpose', [parts], { perm });
  };
  const plain = (q: string, k: string, v: string): string => {
    const scale = graph.constant('scale', [1], 'f32', [1 / Math.sqrt(D)]);
    const scores = graph.node('MatMul', [split(q, [0, 2, 1, 3]), split(k, [0, 2, 3, 1])]);
    const weights = graph.node('Softmax', [graph.node('Mul', [scores, scale])], { axis: -1 });
    const y = graph.node('MatMul', [weights, split(v, [0, 2, 1, 3])]);
    const joined = graph.node('Transpose', [y], { perm: [0, 2, 1, 3] });
    return graph.node('Reshape', [joined, shape('joined', [1, seq, hidden])]);
  };
  const x = graph.input('x', [1, seq, hidden]);
  const h = norm(x, 'layer_norm1');
  const [q = '', k = '', v = ''] = ['q_proj', 'k_proj', 'v_proj'].map((name) =>
    linear(h, `self_attn.${name}`),
  );
  const y =
    variant === 0 ? graph.node('MultiHeadAttention', [q, k, v], { num_heads: heads }) : plain(q, k, v);
  const attended = graph.node('Add', [x, linear(y, 'self_attn.out_proj')]);
  const up = graph.node('Gelu', [linear(norm(attended, 'layer_norm2'), 'mlp.fc1')]);
  return graph.node('Add', [attended, linear(up, 'mlp.fc2')]);
}

/** Takes the input x; `cacheOf` gives keys or values before this token. */
export function onnxDecoderStep(
  graph: OnnxGraph,
  { hidden, heads, kvHeads, layers, past }: OpOf<'decoder step'>,
  { of, turned }: OnnxOperands,
  cacheOf: (name: string) => string,
): string {
  const half = hidden / heads / 2;
  const table = (turn: (angle: number) => number): Float32Array =>
    Float32Array.from({ length: (past + 1) * half }, (_, i) =>
      turn(Math.floor(i / half) / ROPE_THETA ** ((i % half) / half)),
    );
  const cos = graph.constant('cos', [past + 1, half], 'f32', table(Math.cos));
  const sin = graph.constant('sin', [past + 1, half], 'f32', table(Math.sin));
  const last = graph.constant('last', [1], 'i32', [past]);
  const total = graph.constant('total', [1], 'i32', [past + 1]);
  const norm = (x: string, name: string): string =>
    graph.node('SimplifiedLayerNormalization', [x, of(name)], { axis: -1, epsilon: { f: EPS } });
  let x = graph.input('x', [1, 1, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (input: string, name: string): string =>
      graph.node('MatMul', [input, turned(`layers.${layer}.${name}.weight`)]);
    const h = norm(x, `layers.${layer}.input_layernorm.weight`);
    const inputs = [
      ...['q_proj', 'k_proj', 'v_proj'].map((name) => linear(h, `self_attn.${name}`)),
      ...['key', 'value'].map((name) => cacheOf(`past.${layer}.${name}`)),
      ...[last, total, cos, sin],
    ];
    const attributes = { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1 };
    const y = graph.node('GroupQueryAttention', inputs, attributes, 3);
    x = graph.node('Add', [x, linear(y, 'self_attn.o_proj')]);
    const g = norm(x, `layers.${layer}.post_attention_layernorm.weight`);
    const gate = linear(g, 'mlp.gate_proj');
    const silu = graph.node('Mul', [gate, graph.node('Sigmoid', [gate])]);
    x = graph.node('Add', [x, linear(graph.node('Mul', [silu, linear(g, 'mlp.up_proj')]), 'mlp.down_proj')]);
  }
  return norm(x, 'norm.weight');
}
