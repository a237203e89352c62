import type { TensorEntry } from './safetensors.ts';

interface KnownBuffer {
  readonly pattern: RegExp;
  /** Given where the name alone could also be a weight. */
  readonly rank?: number;
  readonly reason: string;
}

/** Tensors that old checkpoints carry though they are computed, not learned: no model asks for them. */
export const KNOWN_BUFFERS: readonly KnownBuffer[] = [
  { pattern: /(^|\.)position_ids$/, reason: 'the integers 0 to n-1: embeddings of CLIP, SigLIP, BERT' },
  { pattern: /(^|\.)inv_freq$/, reason: 'rotary frequencies: follow from rope_theta in config.json' },
  { pattern: /(^|\.)(cos|sin)_cached$/, reason: 'rotary tables of transformers before 4.32' },
  {
    pattern: /\.(attn|attention)\.bias$/,
    rank: 4,
    reason: 'causal mask of GPT-2 and GPT-NeoX, [1, 1, n, n]',
  },
  { pattern: /\.(attn|attention)\.masked_bias$/, reason: 'the large negative number of the same mask' },
  { pattern: /(^|\.)relative_position_index$/, reason: 'integers that follow from the window size: Swin' },
  { pattern: /(^|\.)num_batches_tracked$/, reason: 'a counter of batch norm used in training alone' },
];

/** Whether a checkpoint tensor may stay unused without a warning. */
export const isKnownBuffer = (entry: Pick<TensorEntry, 'name' | 'shape'>): boolean =>
  KNOWN_BUFFERS.some(
    ({ pattern, rank }) => pattern.test(entry.name) && (rank === undefined || rank === entry.shape.length),
  );
