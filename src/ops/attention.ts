import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import {
  defineOp,
  type Named,
  type Reference,
  type ReferenceTensor,
  required,
  type TensorType,
} from './op.ts';

export type AttentionAttrs = {
  /** Multiplies q·k. */
  readonly scale: number;
  /** Query at position p sees keys j ≤ p. */
  readonly causal: boolean;
  /** score → cap · tanh(score / cap), after the scale and before any mask; null for none (Gemma 2). */
  readonly softcap: number | null;
  /** Query at position p sees keys j > p - window; null for all. */
  readonly slidingWindow: number | null;
};

/** A value of the additive mask at or under this hides its key: -inf and the lowest finite floats alike. */
export const MASKED = -1e30;

/**
 * y = softmax(q·k scale + mask) v per head (Vaswani et al. 2017); query head h uses kv head floor(h K / H).
 * q [B, S, H, D], k and v [B, T, K, D], past [B] u32, span [B, S, 2] u32, mask [B|1, H|1, S, T] f32 → y like q.
 *
 * Query i of row b stands at position past[b] + i, or T - S + i without `past`. With `past`, k and v are caches
 * of T rows and only the first past[b] + S are read. `span` gives each query a range of keys, first ≤ j < last: with
 * `causal` it sees them besides (a prefix that is attended both ways, the tokens of one picture), without it sees them
 * alone (pictures packed in a row, windows). A query that sees no key gives zeros.
 */
export const attention = defineOp<AttentionAttrs>({
  name: 'attention',
  inputs: ['q', 'k', 'v', 'past?', 'span?', 'mask?'],
  infer(inputs, attrs, where) {
    const q = required(inputs, 'q', where);
    checkHeads(q, required(inputs, 'k', where), required(inputs, 'v', where), where);
    checkMasks(inputs, attrs, where);
    return { y: { dtype: q.dtype, shape: q.shape } };
  },
});

export const attentionReference: Reference<AttentionAttrs> = (inputs, attrs) => {
  const q = required(inputs, 'q', 'attention');
  const v = required(inputs, 'v', 'attention');
  const headDim = dim(q.shape, 3);
  const y = new Float64Array(q.data.length);
  for (let row = 0; row * headDim < y.length; row++) {
    const seen = scoreRow(inputs, attrs, row);
    const max = Math.max(...seen.map(({ score }) => score));
    const total = seen.reduce((sum, { score }) => sum + Math.exp(score - max), 0);
    for (const { score, key } of seen) {
      const weight = Math.exp(score - max) / total;
      for (let d = 0; d < headDim; d++) {
        const at = row * headDim + d;
        y[at] = (y[at] ?? 0) + weight * (v.data[key + d] ?? Number.NaN);
      }
    }
  }
  return { y };
};

/** A key that a query sees. */
export interface SeenKey {
  /** Scaled, capped and masked. */
  readonly score: number;
  /** Derivative of the score by what the softcap was given. */
  readonly slope: number;
  /** Where the key's head begins in k and v. */
  readonly key: number;
}

/** The keys that row `row` of q, counted over [B, S, H], sees, with their scores. */
export function scoreRow(
  inputs: Named<ReferenceTensor>,
  attrs: AttentionAttrs,
  row: number,
): readonly SeenKey[] {
  const q = required(inputs, 'q', 'attention');
  const k = required(inputs, 'k', 'attention');
  const [, queries = 1, heads = 1, headDim = 1] = q.shape;
  const [, keys = 1, kvHeads = 1] = k.shape;
  const h = row % heads;
  const i = Math.floor(row / heads) % queries;
  const b = Math.floor(row / heads / queries);
  const kvHead = Math.floor((h * kvHeads) / heads);
  return visibleKeys(inputs, attrs, b, i)
    .map((j) => {
      const key = ((b * keys + j) * kvHeads + kvHead) * headDim;
      let dot = 0;
      for (let d = 0; d < headDim; d++)
        dot += (q.data[row * headDim + d] ?? Number.NaN) * (k.data[key + d] ?? Number.NaN);
      const capped = softcapped(dot * attrs.scale, attrs.softcap);
      const slope = attrs.softcap === null ? 1 : 1 - (capped / attrs.softcap) ** 2;
      return { score: capped + maskAt(inputs.mask, b, h, i, j), slope, key };
    })
    .filter(({ score }) => score > MASKED);
}

/** Keys that query i of row b sees, before the additive mask. */
function visibleKeys(
  inputs: Named<ReferenceTensor>,
  { causal, slidingWindow }: AttentionAttrs,
  b: number,
  i: number,
): number[] {
  const queries = dim(required(inputs, 'q', 'attention').shape, 1);
  const keys = dim(required(inputs, 'k', 'attention').shape, 1);
  const past = inputs.past?.data[b];
  const [first = 0, last = 0] =
    inputs.span?.data.subarray((b * queries + i) * 2, (b * queries + i) * 2 + 2) ?? [];
  const position = (past ?? keys - queries) + i;
  const written = past === undefined ? keys : Math.min(keys, past + queries);
  return Array.from({ length: written }, (_, j) => j).filter((j) => {
    if (first <= j && j < last) return true;
    if (inputs.span && !causal) return false;
    return !(causal && j > position) && !(slidingWindow !== null && position - j >= slidingWindow);
  });
}

const softcapped = (score: number, cap: number | null): number =>
  cap === null ? score : cap * Math.tanh(score / cap);

function maskAt(mask: ReferenceTensor | undefined, b: number, h: number, i: number, j: number): number {
  if (!mask) return 0;
  const [batch = 0, heads = 0, queries = 0, keys = 0] = mask.shape;
  const row = ((batch === 1 ? 0 : b) * heads + (heads === 1 ? 0 : h)) * queries + i;
  return mask.data[row * keys + j] ?? Number.NaN;
}

/** Throws ShapeError unless q, k and v are heads that go together. */
export function checkHeads(q: TensorType, k: TensorType, v: TensorType, where: string): void {
  for (const [name, { dtype, shape }] of Object.entries({ q, k, v })) {
    if (isFloat(dtype) && shape.length === 4) continue;
    throw new ShapeError(
      `${where}: ${name} is ${dtype} ${formatShape(shape)}; expected floats [batch, tokens, heads, headDim].`,
    );
  }
  const [batch, , heads = 0, headDim] = q.shape;
  const [kBatch, , kvHeads = 1, kHeadDim] = k.shape;
  if (!sameShape(k.shape, v.shape) || k.dtype !== v.dtype) {
    throw new ShapeError(
      `${where}: k is ${k.dtype} ${formatShape(k.shape)} and v ${v.dtype} ${formatShape(v.shape)}; expected alike.`,
    );
  }
  if (batch !== kBatch || headDim !== kHeadDim || heads % kvHeads !== 0) {
    throw new ShapeError(
      `${where}: q ${formatShape(q.shape)} does not fit k ${formatShape(k.shape)}; expected the same batch and ` +
        'headDim, and a number of query heads that the kv heads divide.',
    );
  }
}

function checkMasks(
  inputs: Named<TensorType>,
  { causal, slidingWindow }: AttentionAttrs,
  where: string,
): void {
  const [batch = 0, queries = 0, heads = 0] = required(inputs, 'q', where).shape;
  const keys = dim(required(inputs, 'k', where).shape, 1);
  const expected = { past: [batch], span: [batch, queries, 2] };
  for (const [name, shape] of Object.entries(expected)) {
    const tensor = inputs[name];
    if (!tensor || (tensor.dtype === 'u32' && sameShape(tensor.shape, shape))) continue;
    throw new ShapeError(
      `${where}: ${name} is ${tensor.dtype} ${formatShape(tensor.shape)}; expected u32 ${formatShape(shape)}.`,
    );
  }
  const positionsCount = causal || slidingWindow !== null;
  if (positionsCount && !inputs.past && queries > keys) {
    throw new ShapeError(
      `${where}: ${queries} queries for ${keys} keys; expected no more queries than keys where positions count.`,
    );
  }
  const { mask } = inputs;
  if (!mask) return;
  const [maskBatch, maskHeads] = mask.shape;
  const fits =
    mask.dtype === 'f32' &&
    (maskBatch === batch || maskBatch === 1) &&
    (maskHeads === heads || maskHeads === 1) &&
    sameShape(mask.shape.slice(2), [queries, keys]);
  if (fits) return;
  throw new ShapeError(
    `${where}: mask is ${mask.dtype} ${formatShape(mask.shape)}; expected f32 [${batch} or 1, ${heads} or 1, ` +
      `${queries}, ${keys}].`,
  );
}
