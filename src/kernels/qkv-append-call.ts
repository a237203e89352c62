import { DTYPE_BYTES, isPacked } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { GROUP_BIASES, GROUP_WEIGHTS, groupWeights } from '../ops/linear-group.ts';
import { required } from '../ops/op.ts';
import type { QkvAppendAttrs } from '../ops/qkv-append.ts';
import type { ParamValues } from '../wgsl/params.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { Cost, KernelCall, KernelShape, OpCall, Variant } from './kernel.ts';
import { range } from './product-work.ts';

// What the kernels of `qkvAppend` share. They serve one vector x and a cache of one row, which is decoding.

/**
 * 11 storage buffers, with a norm 12, with biases three more, of which WebGPU promises 8: whether the adapter has as many
 * decides between these kernels and `linear_group_*` with `rope_append_pairs`.
 */
export const qkvAppendBindings = {
  x: 'read',
  norm: 'read?',
  w0: 'read',
  w1: 'read',
  w2: 'read',
  b0: 'read?',
  b1: 'read?',
  b2: 'read?',
  cos: 'read',
  sin: 'read',
  positions: 'read',
  past: 'read',
  keys: 'read_write',
  values: 'read_write',
  q: 'write',
} as const;

/** `half` of the pairs of a head turn, or all of them; the rest pass through. */
export const qkvAppendParams = {
  k: 'u32',
  heads: 'u32',
  kvHeads: 'u32',
  headDim: 'u32',
  half: 'u32',
  capacity: 'u32',
  eps: 'f32',
  offset: 'f32',
} as const;

export type QkvAppendCall = KernelCall<typeof qkvAppendParams>;

interface Prepared {
  readonly params: ParamValues<typeof qkvAppendParams>;
  readonly variant: Variant;
}

/** For kernels of weights that are `packed` alike, or of floats. */
export const prepareQkvAppend =
  ({ packed }: { readonly packed: boolean }) =>
  ({ inputs, attrs }: OpCall<QkvAppendAttrs>): Prepared | string => {
    const dtypes = groupWeights(inputs).map(({ dtype }) => dtype);
    if (dtypes.length !== 3) return `${dtypes.length} weights; these kernels take three`;
    if (packed && !dtypes.every((dtype) => isPacked(dtype) && dtype === dtypes[0]))
      return 'the weights are not packed alike';
    if (!packed && dtypes.some(isPacked)) return 'a weight is packed, which qkv_append_packed_* read';
    const x = required(inputs, 'x', 'qkv_append');
    const [, capacity = 0, kvHeads = 0, headDim = 0] = required(inputs, 'keys', 'qkv_append').shape;
    const k = dim(x.shape, -1);
    if (elementCount(x.shape) !== k) return `${elementCount(x.shape) / k} rows of x; these kernels take one`;
    if (k % 4 !== 0) return `${k} features are not a multiple of 4`;
    if (headDim % 2 !== 0) return `heads of ${headDim} dims are not made of pairs`;
    const half = dim(required(inputs, 'cos', 'qkv_append').shape, 1);
    const { heads, interleaved, norm } = attrs;
    const { eps, offset } = norm ?? { eps: 0, offset: 0 };
    return { params: { k, heads, kvHeads, headDim, half, capacity, eps, offset }, variant: { interleaved } };
  };

/** Tiles of a head where each is `pairs` pairs. */
export const tilesPerHead = ({ params }: QkvAppendCall, pairs: number): number => params.headDim / 2 / pairs;

export const qkvTiles = (call: QkvAppendCall, pairs: number): number =>
  (call.params.heads + 2 * call.params.kvHeads) * tilesPerHead(call, pairs);

/** Why heads cannot be cut into tiles of `pairs` pairs; true where they can. */
export const supportsPairs = (call: QkvAppendCall, pairs: number): true | string =>
  Number.isInteger(tilesPerHead(call, pairs)) ||
  `${call.params.headDim / 2} pairs of a head are not a multiple of ${pairs}`;

/**
 * `partOf(head)`: which weight makes a head, and which of that weight's heads it is. `rowsOf(part, pair)`: the rows of the
 * weight that make a pair. `storePair(part, pair, sums)`: bias, rope, and where the pair belongs, q or a cache, whose rows
 * beyond the capacity are dropped.
 */
export function storePair({ dtypes, variant }: KernelShape): Snippet {
  const biases = GROUP_BIASES.flatMap((bias, w) =>
    dtypes[bias]
      ? [`if (part.weight == ${w}u) { pair += vec2f(f32(${bias}[rows.x]), f32(${bias}[rows.y])); }`]
      : [],
  );
  const store = (to: string, at: string): string =>
    `${to}[${at}.x] = ${dtypes[to]}(pair.x); ${to}[${at}.y] = ${dtypes[to]}(pair.y);`;
  return {
    name: 'storePair',
    code: `
      struct Part {
        weight: u32,
        head: u32,
      }

      fn partOf(head: u32) -> Part {
        if (head < params.heads) { return Part(0u, head); }
        let kvHead = head - params.heads;
        return Part(1u + kvHead / params.kvHeads, kvHead % params.kvHeads);
      }

      fn rowsOf(part: Part, i: u32) -> vec2u {
        let neighbours = vec2u(2u * i, 2u * i + 1u);
        ${
          variant.interleaved
            ? 'let dims = neighbours;'
            : 'let dims = select(neighbours, vec2u(i, i + params.half), i < params.half);'
        }
        return part.head * params.headDim + dims;
      }

      fn storePair(part: Part, i: u32, sums: vec2f) {
        let rows = rowsOf(part, i);
        var pair = sums;
        ${biases.join(`\n        `)}
        // Values do not turn, nor do the dims past the tables.
        if (part.weight < 2u && i < params.half) {
          let entry = positions[0] * params.half + i;
          let c = cos[entry];
          let s = sin[entry];
          pair = vec2f(pair.x * c - pair.y * s, pair.y * c + pair.x * s);
        }
        if (part.weight == 0u) {
          ${store('q', 'rows')}
          return;
        }
        let slot = past[0];
        if (slot >= params.capacity) { return; }
        let at = slot * params.kvHeads * params.headDim + rows;
        if (part.weight == 1u) {
          ${store('keys', 'at')}
        } else {
          ${store('values', 'at')}
        }
      }
    `,
  };
}

/** The words or vectors where the rows of a tile's columns start, two for each pair; `start(row)` of one row. */
export const pairStarts = (pairs: number, start: (row: string) => string): string[] =>
  range(pairs).flatMap((p) => [
    `let rows${p} = rowsOf(part, pair + ${p}u);`,
    `let w${2 * p}_start = ${start(`rows${p}.x`)};`,
    `let w${2 * p + 1}_start = ${start(`rows${p}.y`)};`,
  ]);

/** `loop(weights)` for each weight in turn: a binding cannot be chosen at run time, and the threads of a workgroup agree. */
export const loopOfPart = (
  pairs: number,
  loop: (weights: readonly string[]) => readonly string[],
): string[] =>
  GROUP_WEIGHTS.flatMap((weight, w) => [
    `${w === 0 ? '' : '} else '}${w < 2 ? `if (part.weight == ${w}u) ` : ''}{`,
    ...loop(range(2 * pairs).map(() => weight)).map((line) => `  ${line}`),
  ]).concat('}');

export function qkvAppendCost({ params, dtypes }: QkvAppendCall): Cost {
  const { k, heads, kvHeads, headDim, half } = params;
  const rows = (heads + 2 * kvHeads) * headDim;
  return {
    flops: 2 * rows * k + 6 * (heads + kvHeads) * half,
    bytesRead: rows * k * DTYPE_BYTES[dtypes.w0 ?? 'f32'] + k * DTYPE_BYTES[dtypes.x ?? 'f32'],
    bytesWritten:
      headDim * (heads * DTYPE_BYTES[dtypes.q ?? 'f32'] + 2 * kvHeads * DTYPE_BYTES[dtypes.keys ?? 'f32']),
  };
}
