import type { PeerCase, PeerOp } from './peer-case.ts';

const one = (op: PeerOp, reps: number, dtype: PeerCase['dtype'] = 'f32'): PeerCase => ({
  ...op,
  reps,
  dtype,
});

const matmul = (m: number, k: number, n: number, reps: number, dtype: PeerCase['dtype'] = 'f32'): PeerCase =>
  one({ op: 'matmul', m, k, n }, reps, dtype);

const matvec = (k: number, n: number, reps: number, dtype: PeerCase['dtype'] = 'f32'): PeerCase =>
  one({ op: 'matvec', k, n }, reps, dtype);

const decoderStep = (
  [hidden, heads, kvHeads, mlp]: readonly [number, number, number, number],
  layers: number,
  past: number,
): PeerCase => one({ op: 'decoder step', hidden, heads, kvHeads, mlp, layers, past }, 1);

const SMOLLM2_135M = [576, 9, 3, 1536] as const;
const LLAMA_1B = [2048, 32, 8, 8192] as const;

/**
 * What all engines are asked, f32 unless it says so: products square and at the shapes of ViT-B, a token's at those of
 * Llama 1B, and the rest of both. One of each kind comes first, in case time runs out. The last are f16, which one peer
 * has on this Node.
 */
export const peerCases: readonly PeerCase[] = [
  matmul(512, 512, 512, 2),
  matvec(2048, 2048, 8),
  matvec(2048, 2048, 8, 'q4'),
  one({ op: 'softmax', rows: 1024, cols: 1024 }, 4),
  one({ op: 'layernorm', rows: 197, cols: 768 }, 8),
  one({ op: 'attention', heads: 12, seq: 197, headDim: 64, causal: false }, 2),
  one({ op: 'vit block', seq: 197, hidden: 768, heads: 12, mlp: 3072 }, 1),
  decoderStep(SMOLLM2_135M, 4, 256),
  matmul(1024, 1024, 1024, 1),
  matmul(197, 768, 768, 2),
  matmul(197, 768, 3072, 1),
  matmul(256, 256, 256, 4),
  matvec(2048, 8192, 4),
  matvec(2048, 8192, 4, 'q4'),
  one({ op: 'softmax', rows: 2364, cols: 197 }, 4),
  one({ op: 'layernorm', rows: 4096, cols: 1024 }, 2),
  one({ op: 'attention', heads: 16, seq: 512, headDim: 64, causal: true }, 1),
  one({ op: 'train step', seq: 197, hidden: 192, heads: 3, mlp: 768 }, 1),
  matmul(512, 512, 512, 2, 'f16'),
  matvec(2048, 2048, 8, 'f16'),
  one({ op: 'softmax', rows: 1024, cols: 1024 }, 4, 'f16'),
  one({ op: 'layernorm', rows: 197, cols: 768 }, 8, 'f16'),
];

/**
 * What a full run adds, outside the sums: a layer of ViT-L and of Llama 1B, all layers of SmolLM2-135M, how a token's cost
 * grows with the cache, and a larger training step.
 */
export const morePeerCases: readonly PeerCase[] = [
  one({ op: 'vit block', seq: 257, hidden: 1024, heads: 16, mlp: 4096 }, 1),
  decoderStep(LLAMA_1B, 1, 256),
  decoderStep(SMOLLM2_135M, 30, 256),
  ...[64, 1024, 4096].map((past) => decoderStep(SMOLLM2_135M, 4, past)),
  one({ op: 'train step', seq: 197, hidden: 384, heads: 6, mlp: 1536 }, 1),
];
