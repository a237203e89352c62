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
  one({ op: 'decoder step', hidden: 576, heads: 9, kvHeads: 3, mlp: 1536, layers: 4, past: 256 }, 1),
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
