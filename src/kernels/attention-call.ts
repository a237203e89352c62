import { DTYPE_BYTES } from '../core/dtype.ts';
import { type AttentionAttrs, MASKED } from '../ops/attention.ts';
import type { AttentionPartsAttrs } from '../ops/attention-parts.ts';
import { required } from '../ops/op.ts';
import type { ParamValues } from '../wgsl/params.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { Cost, KernelCall, KernelShape, OpCall } from './kernel.ts';

/** What the attention kernels share: bindings, sizes, and which keys a query sees. */

export const attentionBindings = {
  q: 'read',
  k: 'read',
  v: 'read',
  past: 'read?',
  span: 'read?',
  mask: 'read?',
  y: 'write',
} as const;

/** `softcap` and `window` are 0 for none; the mask's strides are 0 where it is broadcast. */
export const attentionParams = {
  batch: 'u32',
  queries: 'u32',
  keys: 'u32',
  heads: 'u32',
  kvHeads: 'u32',
  headDim: 'u32',
  causal: 'u32',
  window: 'u32',
  maskBatchStride: 'u32',
  maskHeadStride: 'u32',
  scale: 'f32',
  softcap: 'f32',
} as const;

/** Of `attentionParts`, which has no masks. */
export const attentionPartsBindings = {
  q: 'read',
  k: 'read',
  v: 'read',
  past: 'read?',
  y: 'write',
  stats: 'write',
} as const;

export const attentionPartsParams = { ...attentionParams, parts: 'u32' } as const;

export type AttentionCall = KernelCall<typeof attentionParams>;

export function prepareAttention({ inputs, attrs }: OpCall<AttentionAttrs>): {
  readonly params: ParamValues<typeof attentionParams>;
  readonly variant: { readonly vec: 4 | 1; readonly softcap: boolean };
} {
  const [batch = 0, queries = 0, heads = 0, headDim = 0] = required(inputs, 'q', 'attention').shape;
  const [, keys = 0, kvHeads = 0] = required(inputs, 'k', 'attention').shape;
  const [maskBatch = 1, maskHeads = 1] = inputs.mask?.shape ?? [];
  return {
    params: {
      batch,
      queries,
      keys,
      heads,
      kvHeads,
      headDim,
      causal: attrs.causal ? 1 : 0,
      window: attrs.slidingWindow ?? 0,
      maskBatchStride: maskBatch === 1 ? 0 : maskHeads * queries * keys,
      maskHeadStride: maskHeads === 1 ? 0 : queries * keys,
      scale: attrs.scale,
      softcap: attrs.softcap ?? 0,
    },
    variant: { vec: headDim % 4 === 0 ? 4 : 1, softcap: (attrs.softcap ?? 0) > 0 },
  };
}

export function prepareAttentionParts(call: OpCall<AttentionPartsAttrs>) {
  const { params, variant } = prepareAttention(call);
  return { params: { ...params, parts: call.attrs.parts }, variant };
}

/** `partOf(range, part)`: the keys of one part; `storeStats(row, rowMax, rowSum)`, where an empty part has zeros. */
export const partRange: Snippet = {
  name: 'partRange',
  code: `
    fn partOf(range: vec2u, part: u32) -> vec2u {
      let size = (range.y - range.x + params.parts - 1u) / params.parts;
      let begin = min(range.x + part * size, range.y);
      return vec2u(begin, min(begin + size, range.y));
    }

    fn storeStats(row: u32, rowMax: f32, rowSum: f32) {
      stats[2u * row] = select(0.0, rowMax, rowSum > 0.0);
      stats[2u * row + 1u] = rowSum;
    }
  `,
};

/** Components of one load: heads are read by four where their size allows. */
export const headVec = ({ variant }: KernelShape): 4 | 1 => (variant.vec === 4 ? 4 : 1);

/** Element types of the bindings that hold heads. */
export function attentionElements(shape: KernelShape): Readonly<Record<string, string>> {
  if (headVec(shape) === 1) return {};
  return Object.fromEntries(['q', 'k', 'v', 'y'].map((name) => [name, `vec4<${shape.dtypes[name]}>`]));
}

/** Every key is counted where the cache's fill is known only at run time. */
export function attentionCost({ params, dtypes }: AttentionCall): Cost {
  const { batch, queries, keys, heads, kvHeads, headDim } = params;
  const isTriangle = params.causal === 1 && !dtypes.past && queries === keys;
  const scores = batch * heads * queries * keys * (isTriangle ? 0.5 : 1);
  const qBytes = batch * queries * heads * headDim * DTYPE_BYTES[dtypes.q ?? 'f32'];
  const kvBytes = 2 * batch * keys * kvHeads * headDim * DTYPE_BYTES[dtypes.k ?? 'f32'];
  const maskBytes = dtypes.mask ? 4 * queries * keys : 0;
  return { flops: scores * (4 * headDim + 5), bytesRead: qBytes + kvBytes + maskBytes, bytesWritten: qBytes };
}

/** `HIDDEN`, `queryPosition(b, i)` and `keyRange(b, firstQuery, lastQuery)`: the keys that some of these queries see. */
export function attentionRange({ dtypes }: KernelShape): Snippet {
  const past = dtypes.past ? 'i32(past[b])' : 'i32(params.keys) - i32(params.queries)';
  const written = dtypes.past ? 'min(params.keys, past[b] + params.queries)' : 'params.keys';
  return {
    name: 'attentionRange',
    code: `
      // A score that hides its key: finite, so that differences of scores stay numbers.
      const HIDDEN = -3.0e38;

      fn queryPosition(b: u32, i: u32) -> i32 {
        return ${past} + i32(i);
      }

      // First key and the one after the last that any of these queries sees.
      fn keyRange(b: u32, firstQuery: u32, lastQuery: u32) -> vec2u {
        let written = i32(${written});
        var begin = 0;
        var end = written;
        if (params.window > 0u) { begin = max(0, queryPosition(b, firstQuery) - i32(params.window) + 1); }
        if (params.causal == 1u) { end = queryPosition(b, lastQuery) + 1; }
        ${dtypes.span ? SPAN_RANGE : ''}
        return vec2u(vec2i(clamp(begin, 0, written), clamp(end, 0, written)));
      }
    `,
  };
}

/**
 * `attentionRange`, and `finishScore(raw, b, h, i, j, end, position)`: softcap, then masks, for `width` keys at once, those
 * from `end` on hidden. h, i and j are head, query and keys. A model without a softcap has no tanh in its text: SwiftShader
 * makes two exponentials of each.
 */
export function attentionMasking(shape: KernelShape, width: 1 | 4): Snippet {
  const { dtypes, variant } = shape;
  const [float, int, uint, bool] =
    width === 4 ? ['vec4f', 'vec4i', 'vec4u', 'vec4<bool>'] : ['f32', 'i32', 'u32', 'bool'];
  return {
    name: 'attentionMasking',
    uses: [attentionRange(shape)],
    code: `
      fn isVisible(b: u32, i: u32, position: i32, key: ${int}) -> ${bool} {
        let inPast = ${bool}(params.causal == 0u) | (key <= ${int}(position));
        let inWindow = ${bool}(params.window == 0u) | (${int}(position) - key < ${int}(i32(params.window)));
        ${dtypes.span ? spanLines(int, bool).join('\n        ') : 'return inPast & inWindow;'}
      }

      fn finishScore(raw: ${float}, b: u32, h: u32, i: u32, j: ${uint}, end: u32, position: i32) -> ${float} {
        var score = ${variant.softcap ? capped(float) : 'raw'};
        let key = ${int}(j);
        var visible = isVisible(b, i, position, key) & (key < ${int}(i32(end)));
        ${dtypes.mask ? maskLines(width).join('\n        ') : ''}
        return select(${float}(HIDDEN), score, visible);
      }
    `,
  };
}

/** Clamped: tanh of a large argument overflows to NaN on some drivers. */
const capped = (float: string): string =>
  `params.softcap * tanh(clamp(raw / params.softcap, ${float}(-15.0), ${float}(15.0)))`;

/** Without causal order a query sees its span alone, which may lie anywhere. */
const SPAN_RANGE = `
        if (params.causal == 0u) {
          begin = written;
          end = 0;
        }
        for (var i = firstQuery; i <= lastQuery; i++) {
          let first = i32(span[(b * params.queries + i) * 2u]);
          let last = i32(span[(b * params.queries + i) * 2u + 1u]);
          if (first < last) {
            begin = min(begin, first);
            end = max(end, last);
          }
        }`.trim();

const spanLines = (int: string, bool: string): readonly string[] => [
  'let first = span[(b * params.queries + i) * 2u];',
  'let last = span[(b * params.queries + i) * 2u + 1u];',
  `let inSpan = (key >= ${int}(i32(first))) & (key < ${int}(i32(last)));`,
  `return inSpan | (${bool}(params.causal == 1u) & inPast & inWindow);`,
];

function maskLines(width: 1 | 4): readonly string[] {
  const load = (j: string): string => `mask[maskRow + min(${j}, end - 1u)]`;
  return [
    'let maskRow = b * params.maskBatchStride + h * params.maskHeadStride + i * params.keys;',
    width === 4
      ? `let bias = vec4f(${['j.x', 'j.y', 'j.z', 'j.w'].map(load).join(', ')});`
      : `let bias = ${load('j')};`,
    `visible = visible & (bias > ${width === 4 ? 'vec4f' : 'f32'}(${MASKED.toExponential()}));`,
    'score += bias;',
  ];
}
