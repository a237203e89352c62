import { linear } from '../ops/linear.ts';
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
import { hasSubgroupsOf, range, softwareWork } from './product-work.ts';

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
 * offered. Tiles go down the rows first, which keeps a panel
 * of the weight in cache: 197×768×3072 took 56 to 71 ms of CPU time so, and 91 in the one run the other way.
 */
export const linearBroadcast = defineKernel({
  name: 'linear_broadcast',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4], rows: [16, 8] },
  prepare: prepareLinear,
  supports({ params }, { lanes }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    if (params.k % 4 !== 0) return `${params.k} features are not a multiple of 4`;
    return params.n % 4 === 0 || `${params.n} columns are not a multiple of 4`;
  },
  elements: (shape) => vec4Elements(shape, 'x', 'weight', 'bias', 'residual', 'y'),
  wgsl: (shape, { lanes, rows }) => wgsl`
    ${subgroups}${workgroupIndex}${linearStore(shape, 4)}
    const LANES = ${lanes}u;
    const ROWS = ${rows}u;

    @compute @workgroup_size(LANES)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(subgroup_invocation_id) lane: u32,
    ) {
      let rowTiles = (params.m + ROWS - 1u) / ROWS;
      let tile = workgroupIndex(workgroupId, numWorkgroups);
      let firstRow = (tile % rowTiles) * ROWS;
      let firstColumn = (tile / rowTiles) * LANES * 4u;
      if (firstColumn >= params.n) { return; }
      let column = firstColumn + lane * 4u;
      let steps = params.k / 4u;
      let w = min(column, params.n - 4u) * steps;
      ${range(rows / lanes).map((i) => `let x${i} = min(firstRow + ${i * lanes}u + lane, params.m - 1u) * steps;`)}

      ${range(rows).map((row) => `var sum${row} = vec4f(0.0);`)}
      for (var k = 0u; k < steps; k++) {
        let columns = mat4x4f(
          vec4f(weight[w + k]),
          vec4f(weight[w + steps + k]),
          vec4f(weight[w + 2u * steps + k]),
          vec4f(weight[w + 3u * steps + k]),
        );
        ${range(rows / lanes).map((i) => `let own${i} = vec4f(x[x${i} + k]);`)}
        ${range(rows).map((row) => `sum${row} += subgroupBroadcast(own${Math.floor(row / lanes)}, ${row % lanes}u) * columns;`)}
      }

      let end = min(firstRow + ROWS, params.m);
      for (var row = firstRow; row < end; row++) {
        if (column < params.n) { store(sum0, row, column); }
        ${range(rows - 1).map((row) => `sum${row} = sum${row + 1};`)}
      }
    }
  `,
  dispatch: ({ params: { m, n } }, { lanes, rows }) =>
    spreadWorkgroups(Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows)),
  cost: linearCost,
  efficiency: ({ params: { m, n, k } }, { lanes, rows }, { kind }) => {
    const work = softwareWork({
      tiles: Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows),
      steps: k / 4,
      laneLoads: 4 + rows / lanes,
      uniformLoads: 0,
      multiplyAdds: 16 * rows,
      lanes,
    });
    // Each lane of a GPU would read its own far row: never the first choice there.
    return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
  },
});
