import { decoderAttention, decoderRollout } from './look-decoder.ts';
import type { Looked, LookSheet } from './look-sheet.ts';
import { towerAttentionSheet, towerRolloutSheet } from './look-tower.ts';
import { UsageError } from './usage-error.ts';

/** Attention of a decoder's tokens, or within a tower, over the picture. Throws UsageError for options of the other. */
export const lookAttention = (looked: Looked): Promise<LookSheet> =>
  lookWithin(looked, decoderAttention, towerAttentionSheet);

/** The same through all layers. */
export const lookRollout = (looked: Looked): Promise<LookSheet> =>
  lookWithin(looked, decoderRollout, towerRolloutSheet);

function lookWithin(
  looked: Looked,
  decoder: typeof decoderAttention,
  tower: typeof towerAttentionSheet,
): Promise<LookSheet> {
  const { opened, values } = looked;
  const { of = opened.kind === 'writes' ? 'decoder' : 'vision', from, token, prompt } = values;
  if (of === 'vision') {
    if (token.length > 0 || prompt !== undefined)
      throw new UsageError('--token and --prompt are about an answer; expected --from for a vision tower.');
    return tower(looked);
  }
  if (opened.kind === 'compares')
    throw new UsageError(
      `${opened.model.name} has no decoder; expected --of vision, or a model that writes.`,
    );
  if (from !== undefined)
    throw new UsageError('--from is about a vision tower; expected it with --of vision.');
  return decoder({ ...looked, opened: opened.model });
}
