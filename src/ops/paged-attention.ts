import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { type AttentionAttrs, attentionReference, checkHeads } from './attention.ts';
import {
  defineOp,
  type Named,
  type Reference,
  type ReferenceTensor,
  required,
  type TensorType,
} from './op.ts';

/**
 * Attention over a cache in pages (Kwon et al. 2023, arXiv 2309.06180): key j of row b lies in page pages[b, j / G] at
 * place j % G, so rows of any length share one memory without gaps.
 * q [B, S, H, D], k and v [P, G, K, D], past [B] u32, pages [B, N] u32, each below P → y like q.
 *
 * Query i of row b stands at position past[b] + i and sees the keys up to there that `causal` and the window let it see,
 * as in `attention` over caches of N G rows.
 */
export const pagedAttention = defineOp<AttentionAttrs>({
  name: 'pagedAttention',
  inputs: ['q', 'k', 'v', 'past', 'pages'],
  infer(inputs, _attrs, where) {
    const q = required(inputs, 'q', where);
    const pages = checkPages(inputs, dim(q.shape, 0), where);
    const asOne = (name: string): TensorType => {
      const { dtype, shape } = required(inputs, name, where);
      return { dtype, shape: [dim(q.shape, 0), dim(pages.shape, 1) * dim(shape, 1), ...shape.slice(2)] };
    };
    checkHeads(q, asOne('k'), asOne('v'), where);
    return { y: { dtype: q.dtype, shape: q.shape } };
  },
});

export const pagedAttentionReference: Reference<AttentionAttrs> = (inputs, attrs) => {
  const { q, past } = {
    q: required(inputs, 'q', 'pagedAttention'),
    past: required(inputs, 'past', 'pagedAttention'),
  };
  return attentionReference({ q, past, k: gathered(inputs, 'k'), v: gathered(inputs, 'v') }, attrs);
};

/** The pages of each row in a row: [B, N G, K, D]. */
function gathered(inputs: Named<ReferenceTensor>, name: string): ReferenceTensor {
  const { dtype, shape, data } = required(inputs, name, 'pagedAttention');
  const pages = required(inputs, 'pages', 'pagedAttention');
  const [, size = 0, ...head] = shape;
  const pageLength = size * head.reduce((product, d) => product * d, 1);
  const rows = new Float64Array(pages.data.length * pageLength);
  pages.data.forEach((page, i) => {
    rows.set(data.subarray(page * pageLength, (page + 1) * pageLength), i * pageLength);
  });
  return { dtype, shape: [dim(pages.shape, 0), dim(pages.shape, 1) * size, ...head], data: rows };
}

/** `pages` of a call. Throws ShapeError unless `pages` and `past` are of `batch` rows. */
export function checkPages(inputs: Named<TensorType>, batch: number, where: string): TensorType {
  const pages = required(inputs, 'pages', where);
  const past = required(inputs, 'past', where);
  const fits =
    pages.dtype === 'u32' &&
    pages.shape.length === 2 &&
    dim(pages.shape, 0) === batch &&
    past.dtype === 'u32' &&
    sameShape(past.shape, [batch]);
  if (fits) return pages;
  throw new ShapeError(
    `${where}: pages is ${pages.dtype} ${formatShape(pages.shape)} and past ${past.dtype} ${formatShape(past.shape)}; ` +
      `expected u32 [${batch}, pages of a row] and u32 [${batch}].`,
  );
}
