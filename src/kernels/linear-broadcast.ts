import { linear } from '../ops/linear.ts';
import { addProduct } from '../wgsl/add-product.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  prepareLinear,
  vec4Elements,
} from './linear-call.ts';
import { hasSubgroupsOf, range, subgroupTileWork, tooLarge } from './product-work.ts';
import { addHandedRound, declareSums, storeFirstRow } from './subgroup-tile.ts';

/**
 * linear in the registers of one small subgroup, for adapters that run on a CPU.
 *
 *            4 columns per lane
 *           ┌────┬────┬─ ... ─┐
 *     rows  │    │    │       │   Per four steps of k a lane loads 4 vec4 of the weight (its own columns) and
 *           │    │    │       │   rows / lanes vec4 of x, which subgroupBroadcast hands round.
 *           └────┴────┴─ ... ─┘
 *
 * A load costs such an adapter some ten instructions for each float of each lane (a bounds check and an insert), so
 * all that counts is how often a loaded value is used: x by 4 × lanes columns, the weight by all rows.
 * The sums are stored by a loop that shifts them through the first one: unrolled, the epilogue would be compiled
 * once per row.
 *
 * GFLOP/s per second of CPU time, lowest and highest of three runs on a busy machine; an FMA loop in the same processes
 * made 41 to 55 (lavapipe 25.0.7, 8 lanes) and 15 (SwiftShader, 4 lanes, two runs). m×k×n:
 *
 *                                8 rows    16 rows   32 rows
 *     lavapipe 197×768×768       8 to 9    10 to 16  10 to 17
 *     lavapipe 197×768×3072      6 to 9    10 to 15  13 to 17
 *     lavapipe 512×512×512       7 to 8    14 to 17  11 to 19
 *     lavapipe 64×768×192       10 to 15    9 to 14   9 to 15
 *     SwiftShader 197×768×768    1.6       1.6       1.4
 *
 * 32 rows are no faster than 16 beyond the noise and took lavapipe 2.8 s to compile against 0.7, so they are not
 * offered; nor are two steps of k at once, which no longer fit its cache of instructions (70 ms for 36). Of its 0.6 µs a
 * step, loads take 0.29 and multiply-adds 0.12; the rest is sums that move between registers and the stack.
 * SwiftShader spends nearly half on handing x round, so there 16 columns a lane share it: 1.1 and 1.5 GFLOP/s in the same
 * run, 1.5 and 2.0 for a matmul of 512, of a peak of 11 to 15. 32 rows of them, a tenth faster than 16, took it 1 s to
 * compile; `linear_panel` is faster still and takes 0.3 s, so what is left for this kernel are 16 rows and few columns.
 * Tiles go down the rows first, which keeps a panel
 * of the weight in cache: 197×768×3072 took 56 to 71 ms of CPU time so, and 91 in the one run the other way.
 */
export const linearBroadcast = defineKernel({
  name: 'linear_broadcast',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4], rows: [16, 8], vectors: [1, 4] },
  prepare: prepareLinear,
  supports({ params }, t, caps) {
    if (!hasSubgroupsOf(t.lanes, caps)) return `the adapter's subgroups are not of ${t.lanes}`;
    if (params.k % 4 !== 0) return `${params.k} features are not a multiple of 4`;
    if (params.n % 4 !== 0) return `${params.n} columns are not a multiple of 4`;
    return tooLarge(t) ?? true;
  },
  elements: (shape) => vec4Elements(shape, 'x', 'weight', 'bias', 'residual', 'y'),
  wgsl(shape, tile) {
    const { lanes, rows, vectors } = tile;
    return wgsl`
      ${subgroups}${workgroupIndex}${addProduct(lanes)}${linearStore(shape, 4)}
      const LANES = ${lanes}u;
      const ROWS = ${rows}u;
      // Of a lane, each of 4 columns, LANES vectors apart.
      const VECTORS = ${vectors}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let firstRow = (tile % rowTiles) * ROWS;
        let firstColumn = (tile / rowTiles) * LANES * VECTORS * 4u;
        if (firstColumn >= params.n) { return; }
        let steps = params.k / 4u;
        ${range(vectors).flatMap((v) => [
          `let column${v} = firstColumn + (${v}u * LANES + lane) * 4u;`,
          `let w${v} = min(column${v}, params.n - 4u) * steps;`,
        ])}
        ${range(rows / lanes).map((i) => `let x${i} = min(firstRow + ${i * lanes}u + lane, params.m - 1u) * steps;`)}

        ${declareSums(tile)}
        for (var k = 0u; k < steps; k++) {
          ${range(vectors).flatMap((v) => [
            `let columns${v} = transpose(mat4x4f(`,
            `  vec4f(weight[w${v} + k]),`,
            `  vec4f(weight[w${v} + steps + k]),`,
            `  vec4f(weight[w${v} + 2u * steps + k]),`,
            `  vec4f(weight[w${v} + 3u * steps + k]),`,
            '));',
          ])}
          ${range(rows / lanes).map((i) => `let own${i} = vec4f(x[x${i} + k]);`)}
          ${addHandedRound(tile, 'columns')}
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          ${storeFirstRow(tile, (sum, v) => `if (column${v} < params.n) { store(${sum}, row, column${v}); }`)}
        }
      }
    `;
  },
  dispatch: ({ params: { m, n } }, { lanes, rows, vectors }) =>
    spreadWorkgroups(Math.ceil(n / (4 * vectors * lanes)) * Math.ceil(m / rows)),
  cost: linearCost,
  efficiency: ({ params }, t, caps) => subgroupTileWork(params, t, caps),
});
