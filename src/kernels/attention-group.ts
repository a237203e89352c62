import type { Caps } from '../core/caps.ts';
import { type AttentionAttrs, attention } from '../ops/attention.ts';
import { attentionParts } from '../ops/attention-parts.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups, swapped } from '../wgsl/subgroups.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import {
  type AttentionCall,
  attentionCost,
  attentionElements,
  attentionParams,
  attentionPartsBindings,
  attentionPartsParams,
  attentionRange,
  partRange,
  prepareAttention,
} from './attention-call.ts';
import { defineKernel, type KernelShape, type OpCall, spreadWorkgroups } from './kernel.ts';
import { hasSubgroupsOf, range } from './product-work.ts';

/** Vectors of queries a lane holds at most, and as many of sums: most of them lie in memory, not in registers. */
const MOST_VECTORS = 32;

/** Keys whose scores a lane keeps. */
const TILE_KEYS = 128;

const bindings = { q: 'read', k: 'read', v: 'read', past: 'read?', y: 'write' } as const;
const tuning = { lanes: [8, 4] } as const;
type Tuning = { readonly lanes: 8 | 4 };

/** `heads` and `length` of the variant: query heads of a kv head, and vectors of a head. */
function prepareGroup(call: OpCall<AttentionAttrs>) {
  const { params, variant } = prepareAttention(call);
  if (params.queries !== 1) return `${params.queries} queries a row; this kernel takes one`;
  if (call.inputs.span || call.inputs.mask) return 'a span or mask, which this kernel does not read';
  if (variant.vec !== 4) return `heads of ${params.headDim} are not a multiple of 4`;
  const heads = params.heads / params.kvHeads;
  return { params, variant: { vec: 4, heads, length: params.headDim / 4, softcap: params.softcap > 0 } };
}

/** Vectors of a head that each lane holds. */
const vectorsOf = ({ variant }: KernelShape, { lanes }: Tuning): number =>
  Math.ceil(Number(variant.length) / lanes);

function supports(call: AttentionCall, t: Tuning, caps: Caps): true | string {
  if (!hasSubgroupsOf(t.lanes, caps)) return `the adapter's subgroups are not of ${t.lanes}`;
  const vectors = vectorsOf(call, t) * Number(call.variant.heads);
  return vectors <= MOST_VECTORS || `${vectors} vectors of queries a lane are over ${MOST_VECTORS}`;
}

/** Lanes without a part of the head read as much as the others. */
const efficiency = (call: AttentionCall, t: Tuning): number =>
  (vectorsOf(call, t) * t.lanes) / Number(call.variant.length);

/**
 * Decoding: all query heads of a kv head against its cache, by one subgroup, so that each key and value is read once. Lanes
 * share a key: each reads a part of it and uses it where it is, so queries are loaded once and keys are not handed round.
 * What goes from lane to lane is sums of scores, packed so that lane n ends with that of head n: one exp serves all heads.
 *
 *     k [T, K, D]    lane 0   lane 1   ...   lane 0   ...
 *     key j         │ d 0..3 │ d 4..7 │ ... │        │
 *
 * Scores of a tile first, then the values they weigh: Online softmax (Milakov and Gimelshein 2018), but the sums shrink once a
 * tile and no step waits for the one before. One key a step, since loads are most of the code and it should stay in the cache
 * of instructions: 2 keys a step took SwiftShader 1.3 times as long, 4 keys lavapipe twice. Against a loop that only reads as
 * many bytes, in turns, by wall time: how much 9 heads on 3 kv heads of 64 take for a key more, 1024 to 8192 of them, 2 cores:
 *
 *     lavapipe     1.2    without tiles as much, by processor time
 *     SwiftShader  1.3    without tiles 1.2 times as long, by processor time
 */
export const attentionGroup = defineKernel({
  name: 'attention_group',
  op: attention,
  bindings,
  params: attentionParams,
  tuning,
  prepare: prepareGroup,
  supports,
  elements: attentionElements,
  wgsl: (shape, t) => groupText(shape, t, false),
  dispatch: ({ params }) => spreadWorkgroups(params.batch * params.kvHeads),
  cost: attentionCost,
  efficiency,
});

/** The same for one part of the keys a workgroup. */
export const attentionGroupParts = defineKernel({
  name: 'attention_group_parts',
  op: attentionParts,
  bindings: attentionPartsBindings,
  params: attentionPartsParams,
  tuning,
  prepare(call) {
    const prepared = prepareGroup(call);
    if (typeof prepared === 'string') return prepared;
    return { ...prepared, params: { ...prepared.params, parts: call.attrs.parts } };
  },
  supports: (call, t, caps) => supports(call, t, caps),
  elements: attentionElements,
  wgsl: (shape, t) => groupText(shape, t, true),
  dispatch: ({ params }) => spreadWorkgroups(params.batch * params.kvHeads * params.parts),
  cost: (call) => attentionCost(call),
  efficiency: (call, t) => efficiency(call, t),
});

/**
 * Statements that add up `part0`, `part1`, ... over the lanes: lane n of `score0` is the sum of head n, `score1` has the next
 * `lanes` heads. Each step halves the values and the lanes that a value is spread over.
 */
function sumsByLane(heads: number, lanes: number): string[] {
  const statements: string[] = [];
  for (let pack = 0; pack * lanes < heads; pack++) {
    let names = range(Math.min(lanes, heads - pack * lanes)).map((n) => `part${pack * lanes + n}`);
    for (let bit = 1; bit < lanes; bit *= 2) {
      names = range(Math.ceil(names.length / 2)).map((n) => {
        const [even = '', odd] = names.slice(2 * n);
        const kept = odd ? `select(${even}, ${odd}, hasBit${bit})` : even;
        const sent = odd ? `select(${odd}, ${even}, hasBit${bit})` : even;
        const name = `score${pack}_${bit}_${n}`;
        statements.push(`let ${name} = ${kept} + ${swapped(sent, bit, lanes)};`);
        return name;
      });
    }
    statements.push(`var score${pack} = ${names[0]};`);
  }
  return statements;
}

function groupText(shape: KernelShape, { lanes }: Tuning, inParts: boolean): WgslSource {
  const count = Number(shape.variant.heads);
  const heads = range(count);
  const packs = range(Math.ceil(count / lanes));
  const vectors = range(vectorsOf(shape, { lanes }));
  const isWhole = Number(shape.variant.length) % lanes === 0;
  const ofHead = (name: string, h: number): string =>
    `${lanes === 4 ? 'quadBroadcast' : 'subgroupBroadcast'}(${name}${Math.floor(h / lanes)}, ${h % lanes}u)`;
  const store = (h: number, v: number, value: string): string =>
    `${isWhole ? '' : `if (isOwn${v}) `}{ y[out${h} * length + d${v}] = vec4<${shape.dtypes.y}>(${value}); }`;
  return wgsl`
    ${subgroups}${workgroupIndex}${attentionRange(shape)}${inParts ? partRange : []}
    // Threads of a subgroup, which is a workgroup.
    const LANES = ${lanes}u;
    // Query heads of a kv head.
    const HEADS = ${count}u;
    const TILE_KEYS = ${TILE_KEYS}u;

    @compute @workgroup_size(LANES)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(subgroup_invocation_id) lane: u32,
    ) {
      let index = workgroupIndex(workgroupId, numWorkgroups);
      ${inParts ? ['let part = index % params.parts;', 'let row = index / params.parts;'] : ['let row = index;']}
      let b = row / params.kvHeads;
      if (b >= params.batch) { return; }
      let range = ${inParts ? 'partOf(keyRange(b, 0u, 0u), part)' : 'keyRange(b, 0u, 0u)'};
      let length = params.headDim / 4u;
      let stride = params.kvHeads * length;
      let firstKey = b * params.keys * stride + row % params.kvHeads * length;
      ${range(Math.log2(lanes)).map((i) => `let hasBit${2 ** i} = (lane & ${2 ** i}u) != 0u;`)}
      ${isWhole ? [] : '// Lanes beyond the end of a head repeat its last vector, with a query of zero.'}
      ${vectors.flatMap((v) =>
        isWhole
          ? [`let d${v} = lane + ${v}u * LANES;`]
          : [
              `let d${v} = min(lane + ${v}u * LANES, length - 1u);`,
              `let isOwn${v} = lane + ${v}u * LANES < length;`,
            ],
      )}
      ${heads.flatMap((h) => [
        `let head${h} = row * HEADS + ${h}u;`,
        ...vectors.map((v) => {
          const scale = isWhole ? 'params.scale' : `select(0.0, params.scale, isOwn${v})`;
          return `let q${h}_${v} = vec4f(q[head${h} * length + d${v}]) * ${scale};`;
        }),
        ...vectors.map((v) => `var total${h}_${v} = vec4f();`),
      ])}
      // Of head n in lane n.
      ${packs.flatMap((p) => [
        `var max${p} = HIDDEN;`,
        `var sum${p} = 0.0;`,
        `var scores${p}: array<f32, TILE_KEYS>;`,
      ])}

      for (var first = range.x; first < range.y; first += TILE_KEYS) {
        let tileKeys = min(TILE_KEYS, range.y - first);
        ${packs.map((p) => `var tileMax${p} = max${p};`)}
        for (var j = 0u; j < tileKeys; j++) {
          let at = firstKey + (first + j) * stride;
          ${vectors.flatMap((v) => [
            `let key${v} = vec4f(k[at + d${v}]);`,
            ...heads.map((h) => `${v === 0 ? `var part${h} =` : `part${h} +=`} dot(q${h}_${v}, key${v});`),
          ])}
          ${sumsByLane(count, lanes)}
          ${packs.flatMap((p) => [
            ...(shape.variant.softcap
              ? [
                  '// Clamped: tanh of a large argument overflows to NaN on some drivers.',
                  `score${p} = params.softcap * tanh(clamp(score${p} / params.softcap, -15.0, 15.0));`,
                ]
              : []),
            `scores${p}[j] = score${p};`,
            `tileMax${p} = max(tileMax${p}, score${p});`,
          ])}
        }

        ${packs.flatMap((p) => [
          `let shrink${p} = exp(max${p} - tileMax${p});`,
          `max${p} = tileMax${p};`,
          `sum${p} *= shrink${p};`,
        ])}
        ${heads.flatMap((h) => [
          `let shrinkOf${h} = ${ofHead('shrink', h)};`,
          ...vectors.map((v) => `total${h}_${v} *= shrinkOf${h};`),
        ])}

        for (var j = 0u; j < tileKeys; j++) {
          ${packs.flatMap((p) => [`let weight${p} = exp(scores${p}[j] - max${p});`, `sum${p} += weight${p};`])}
          ${heads.map((h) => `let weightOf${h} = ${ofHead('weight', h)};`)}
          let at = firstKey + (first + j) * stride;
          ${vectors.flatMap((v) => [
            `let value${v} = vec4f(v[at + d${v}]);`,
            ...heads.map((h) => `total${h}_${v} += weightOf${h} * value${v};`),
          ])}
        }
      }

      ${heads.flatMap((h) => [
        `let sumOf${h} = ${ofHead('sum', h)};`,
        ...(inParts
          ? [
              `let maxOf${h} = ${ofHead('max', h)};`,
              `let out${h} = part * params.batch * params.heads + head${h};`,
              `if (lane == 0u) { storeStats(out${h}, maxOf${h}, sumOf${h}); }`,
            ]
          : [`let out${h} = head${h};`, `let inverse${h} = select(0.0, 1.0 / sumOf${h}, sumOf${h} > 0.0);`]),
        ...vectors.map((v) => store(h, v, `total${h}_${v}${inParts ? '' : ` * inverse${h}`}`)),
      ])}
    }
  `;
}
