import { attention } from '../ops/attention.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
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
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { range } from './product-work.ts';

/** Loads of the largest head, of 64 scalars or 256 in fours. */
const MAX_LENGTH = 64;

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
const SHARED = { 1: 2, 2: 1, 4: 0.75 } as const;

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
 * 12 heads, 197×197×64, 2 rows, on a busy machine of 2 cores: lavapipe 9 to 17 ms (7 to 13 GFLOP/s), SwiftShader
 * 130 to 180 ms; attention_query takes 800 and 1200. Least CPU time there of 2 rows and of 4: SwiftShader 221 and 152 ms,
 * lavapipe 23 and 21 for twice the code, so not offered. Causal, 16 heads, 512×512×64: lavapipe 60 to 105 ms. One query
 * on 1000 keys of 16 heads: lavapipe 3.3 ms with 1 row, attention_query 8.7.
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
  tuning: { subgroupSize: [8, 4], rows: [1, 2, 4] },
  prepare: prepareAttention,
  supports(call, { subgroupSize, rows }, { subgroupMinSize, subgroupMaxSize }) {
    if (subgroupMinSize !== subgroupSize || subgroupMaxSize !== subgroupSize) {
      return `subgroups have ${subgroupMinSize} to ${subgroupMaxSize} threads, not ${subgroupSize}`;
    }
    if (subgroupSize === 8 && rows > 2) return `${rows} rows are too much code for 8 threads`;
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
    const source = wgsl`
      ${workgroupIndex}${attentionMasking(shape, 4)}
      // Threads of a subgroup, which is a workgroup.
      const LANES = ${subgroupSize}u;
      // Keys of a step, loaded by KEYS / LANES a thread.
      const KEYS = ${keys.length}u;
      // Queries of a thread, LANES apart.
      const ROWS = ${rows}u;

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

        // Threads beyond the last row repeat it.
        var query: array<array<${float}, ${MAX_LENGTH}>, ROWS>;
        var total: array<array<${float}, ${MAX_LENGTH}>, ROWS>;
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
              `let key${n} = subgroupBroadcast(key_${Math.floor(n / subgroupSize)}, ${n % subgroupSize}u);`,
              ...range(rows).map(
                (r) => `${scoreOf(r, n)} = addProduct(${scoreOf(r, n)}, query${r}, key${n});`,
              ),
            ])}
          }
          ${fours.flatMap((scores, r) => [
            ...scores.map(
              (score, four) =>
                `${score} = finishScore(${score}, b, h${r}, i${r}, j + ${four * 4}u, keys.y, position${r});`,
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
              `let value${n} = subgroupBroadcast(value_${Math.floor(n / subgroupSize)}, ${n % subgroupSize}u);`,
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
