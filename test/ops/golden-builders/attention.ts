import { dim } from '../../../src/core/shape.ts';
import { attention } from '../../../src/graph/attention.ts';
import { transpose } from '../../../src/graph/movement.ts';
import type { GoldenBuilders } from '../golden-call.ts';

// The golden's tensors are [B, H, S, D].

export const attentions: GoldenBuilders = {
  attention({ input, constant, text, number, numberOrNull }) {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => transpose(input(name), 1, 2));
    if (!q || !k || !v) throw new Error('three inputs give three tensors');
    const batch = dim(q.shape, 0);
    const perRow = (name: string) => {
      const value = numberOrNull(name);
      return value === null ? undefined : constant(name, new Uint32Array(batch).fill(value), [batch]);
    };
    // The queries of a prefix all see all of it.
    const prefixSpan = () => {
      const prefix = numberOrNull('prefix');
      if (prefix === null) return undefined;
      const queries = dim(q.shape, 1);
      const spans = Uint32Array.from({ length: batch * queries * 2 }, (_, n) =>
        n % 2 === 1 && Math.floor(n / 2) % queries < prefix ? prefix : 0,
      );
      return constant('span', spans, [batch, queries, 2]);
    };
    const y = attention(q, k, v, {
      scale: number('scale'),
      causal: text('kind') !== 'full',
      past: perRow('offset'),
      span: prefixSpan(),
      softcap: numberOrNull('softcap'),
      slidingWindow: numberOrNull('window'),
    });
    return transpose(y, 1, 2);
  },
};
