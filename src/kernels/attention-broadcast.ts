import { type AttentionAttrs, attention } from '../ops/attention.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { handedRound } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  attentionBindings,
  attentionCost,
  attentionElements,
  attentionMasking,
  attentionParams,
  headVec,
  prepareAttention,
} from './attention-call.ts';
import { defineKernel, type OpCall, spreadWorkgroups } from './kernel.ts';
import { range } from './product-work.ts';

/** Loads of the largest head, of 64 scalars or 256 in fours. */
const MAX_LENGTH = 64;
/** Of the shortest arrays. */
const LEAST_LENGTH = 16;

/**
 * `maxLength` of the variant: room for a head in the arrays, a power of two. WGSL has them zeroed, which SwiftShader compiles
 * to a store per element: of 2 rows, 64 loads a head take it 0.7 s and 16 take it 0.2 s.
 */
function prepareBroadcast(call: OpCall<AttentionAttrs>) {
  const { params, variant } = prepareAttention(call);
  const length = Math.max(params.headDim / variant.vec, LEAST_LENGTH);
  return { params, variant: { ...variant, maxLength: 2 ** Math.ceil(Math.log2(length)) } };
}

/**
 * By subgroup size. Each step walks over the arrays of queries and totals once, which both adapters pay dearly: on
 * SwiftShader (4) 16 keys a step took half the time of 4. On lavapipe (8) 16 took 23 ms where 8 took 29, and 32 were no
 * faster and slower to compile.
 */
const KEYS_PER_THREAD = { 8: 2, 4: 4 } as const;

/** As in `addProduct` of the products: lavapipe likes a chain, SwiftShader the product. */
const ADD_DOT = {
  8: 'fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))))',
  4: 'sum + dot(a, b)',
} as const;

/** Time of a query by the queries of a thread, as measured: they share keys, values and what is handed round. */
const SHARED = { 1: 2, 2: 1 } as const;

/**
 * Attention with one thread per query (or `rows` of them), its query and sums in memory of its own. The threads of
 * a workgroup, one subgroup, share a kv head: they are its queries times its query heads. Each loads a part of one
 * key and hands it round.
 * Online softmax: Milakov and Gimelshein 2018; as in FlashAttention (Dao et al. 2022), no S × T matrix is stored.
 *
 * Loads dominate on software adapters (see `softwareWork`), and here one serves every query of the subgroup. Nothing
 * is unrolled over the head: with the arrays in registers the text took lavapipe 10 times longer to compile and ran
 * no faster.
 *
 * 12 heads, 197×197×64, 2 rows, on a busy machine of 2 cores: lavapipe 9 to 17 ms (7 to 13 GFLOP/s), attention_query 800.
 * Of 4 rows its least CPU time is 21 ms and of 2 it is 23, for twice the code, so they are not offered. Causal, 16 heads,
 * 512×512×64: lavapipe 60 to 105 ms. One query on 1000 keys of 16 heads: lavapipe 3.3 ms with 1 row, attention_query 8.7.
 *
 * SwiftShader, 3 heads, 65×65×64, least CPU time in turns on a loaded machine: 2.5 ms with 2 rows, 2.9 with 1, attention_query
 * 20; before, with broadcasts for shuffles, 3.7 with 2 rows and 3.4 with 4. Now 4 rows are no faster than 2, and take it twice as
 * long to compile: of 11 s that a start of the built-in model took, 4.5 were two of these kernels with 4 rows, arrays of 64
 * loads, and the tanh of a softcap that the model has not.
 *
 *     ┌────┬────┬────┬────┐
 *     │ k0 │ k1 │ k2 │ k3 │  loaded by a thread each, broadcast one after the other
 *     └────┴────┴────┴────┘
 *     ┌────┬────┬────┬────┐
 *     │ q  │ q  │ q  │ q  │  score, max, sum and y of a query in each thread
 *     └────┴────┴────┴────┘
 */
export const attentionBroadcast = defineKernel({
  name: 'attention_broadcast',
  op: attention,
  bindings: attentionBindings,
  params: attentionParams,
  tuning: { subgroupSize: [8, 4], rows: [1, 2] },
  prepare: prepareBroadcast,
  supports(call, { subgroupSize }, { subgroupMinSize, subgroupMaxSize }) {
    if (subgroupMinSize !== subgroupSize || subgroupMaxSize !== subgroupSize) {
      return `subgroups have ${subgroupMinSize} to ${subgroupMaxSize} threads, not ${subgroupSize}`;
    }
    const length = call.params.headDim / headVec(call);
    return length <= MAX_LENGTH || `a head takes ${length} loads, over ${MAX_LENGTH}`;
  },
  elements: attentionElements,
  wgsl(shape, { subgroupSize, rows }) {
    const vec = headVec(shape);
    const float = vec === 4 ? 'vec4f' : 'f32';
    const stored = vec === 4 ? `vec4<${shape.dtypes.y}>` : `${shape.dtypes.y}`;
    const own = range(KEYS_PER_THREAD[subgroupSize]);
    const keys = range(subgroupSize * own.length);
    // Scores of four keys at a time: `score0_4` holds those of the first query for keys 4 to 7.
    const fours = range(rows).map((r) => range(keys.length / 4).map((four) => `score${r}_${four * 4}`));
    const scoreOf = (r: number, n: number): string => `score${r}_${n - (n % 4)}[${n % 4}]`;
    const handed = (name: string, n: number): string =>
      handedRound(`${name}_${Math.floor(n / subgroupSize)}`, n % subgroupSize, subgroupSize);
    const source = wgsl`
      ${workgroupIndex}${attentionMasking(shape, 4)}
      // Threads of a subgroup, which is a workgroup.
      const LANES = ${subgroupSize}u;
      // Keys of a step, loaded by KEYS / LANES a thread.
      const KEYS = ${keys.length}u;
      // Queries of a thread, LANES apart.
      const ROWS = ${rows}u;
      // Loads of a head at most.
      const MAX_LENGTH = ${Number(shape.variant.maxLength)}u;

      fn addProduct(sum: f32, a: ${float}, b: ${float}) -> f32 {
        return ${vec === 1 ? 'sum + a * b' : ADD_DOT[subgroupSize]};
      }

      fn largest(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

      fn weightsOf(scores: vec4f, rowMax: f32) -> vec4f {
        return select(vec4f(), exp(scores - rowMax), scores > vec4f(HIDDEN));
      }

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let length = params.headDim / ${vec}u;
        let headsPerKv = params.heads / params.kvHeads;
        let rows = params.queries * headsPerKv;
        let blocks = (rows + LANES * ROWS - 1u) / (LANES * ROWS);
        let index = workgroupIndex(workgroupId, numWorkgroups);
        let b = index / (blocks * params.kvHeads);
        if (b >= params.batch) { return; }
        let kvHead = index / blocks % params.kvHeads;
        let firstRow = index % blocks * LANES * ROWS;
        let lastRow = min(firstRow + LANES * ROWS, rows) - 1u;
        let keys = keyRange(b, firstRow / headsPerKv, lastRow / headsPerKv);

        // Of four keys, as this thread meets them.
        let order = vec4u(0u, 1u, 2u, 3u)${subgroupSize === 4 ? ' ^ vec4u(lane)' : ''};

        // Threads beyond the last row repeat it.
        var query: array<array<${float}, MAX_LENGTH>, ROWS>;
        var total: array<array<${float}, MAX_LENGTH>, ROWS>;
        var rowMax: array<f32, ROWS>;
        var rowSum: array<f32, ROWS>;
        ${range(rows).flatMap((r) => [
          `let row${r} = min(firstRow + ${r}u * LANES + lane, lastRow);`,
          `let i${r} = row${r} / headsPerKv;`,
          `let h${r} = kvHead * headsPerKv + row${r} % headsPerKv;`,
          `let position${r} = queryPosition(b, i${r});`,
          `let own${r} = ((b * params.queries + i${r}) * params.heads + h${r}) * length;`,
          `rowMax[${r}] = HIDDEN;`,
        ])}
        for (var d = 0u; d < length; d++) {
          ${range(rows).map((r) => `query[${r}][d] = ${float}(q[own${r} + d]) * params.scale;`)}
        }

        for (var j = keys.x; j < keys.y; j += KEYS) {
          // The keys and values that this thread loads for all.
          ${own.map((o) => `let at${o} = ((b * params.keys + min(j + ${o}u * LANES + lane, keys.y - 1u)) * params.kvHeads + kvHead) * length;`)}
          ${fours.flat().map((score) => `var ${score} = vec4f();`)}
          for (var d = 0u; d < length; d++) {
            ${own.map((o) => `let key_${o} = ${float}(k[at${o} + d]);`)}
            ${range(rows).map((r) => `let query${r} = query[${r}][d];`)}
            ${keys.flatMap((n) => [
              `let key${n} = ${handed('key', n)};`,
              ...range(rows).map(
                (r) => `${scoreOf(r, n)} = addProduct(${scoreOf(r, n)}, query${r}, key${n});`,
              ),
            ])}
          }
          ${fours.flatMap((scores, r) => [
            ...scores.map(
              (score, four) =>
                `${score} = finishScore(${score}, b, h${r}, i${r}, order + (j + ${four * 4}u), keys.y, position${r});`,
            ),
            `let max${r} = max(rowMax[${r}], largest(${scores.reduce((max, score) => `max(${max}, ${score})`)}));`,
            `let shrink${r} = exp(rowMax[${r}] - max${r});`,
            `rowMax[${r}] = max${r};`,
            ...scores.map((score) => `${score} = weightsOf(${score}, max${r});`),
            `rowSum[${r}] = rowSum[${r}] * shrink${r} + dot(${scores.join(' + ')}, vec4f(1.0));`,
          ])}
          for (var d = 0u; d < length; d++) {
            ${own.map((o) => `let value_${o} = ${float}(v[at${o} + d]);`)}
            ${range(rows).map((r) => `var total${r} = total[${r}][d] * shrink${r};`)}
            ${keys.flatMap((n) => [
              `let value${n} = ${handed('value', n)};`,
              ...range(rows).map((r) => `total${r} += ${scoreOf(r, n)} * value${n};`),
            ])}
            ${range(rows).map((r) => `total[${r}][d] = total${r};`)}
          }
        }

        ${range(rows).flatMap((r) => [
          `if (firstRow + ${r}u * LANES + lane <= lastRow) {`,
          `  let inverse = select(0.0, 1.0 / rowSum[${r}], rowSum[${r}] > 0.0);`,
          `  for (var d = 0u; d < length; d++) { y[own${r} + d] = ${stored}(total[${r}][d] * inverse); }`,
          `}`,
        ])}
      }
    `;
    return { ...source, requires: [...source.requires, 'subgroups'] };
  },
  dispatch({ params }, { subgroupSize, rows }) {
    const queries = params.queries * (params.heads / params.kvHeads);
    return spreadWorkgroups(params.batch * params.kvHeads * Math.ceil(queries / (subgroupSize * rows)));
  },
  cost: attentionCost,
  efficiency({ params }, { subgroupSize, rows }) {
    const queries = params.queries * (params.heads / params.kvHeads);
    const padded = Math.ceil(queries / (subgroupSize * rows)) * subgroupSize * rows;
    return (padded / queries) * SHARED[rows];
  },
});
