import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows } from '../wgsl/packed.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  packedDType,
  preparePackedLinear,
  vec4Elements,
} from './linear-call.ts';
import { hasSubgroupsOf, range, softwareWork } from './product-work.ts';

/** Columns of a lane. */
const COLUMNS = 4;

/**
 * linear over a packed weight for many rows: `linear_broadcast`, whose lanes load one word of each of their 4 columns
 * where that loads a vec4 (q8) or two (q4). Weights are scaled before use, so that all rows share the product.
 *
 * Arithmetic decides here, so few bits gain little: CPU time of 64×768×768 with 16 rows on a busy machine, f32 beside q8
 * and q4, in ms: lavapipe 5.0, 4.3 and 4.5; SwiftShader 40, 66 and 49.
 */
export const linearPackedBroadcast = defineKernel({
  name: 'linear_packed_broadcast',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4], rows: [16, 8] },
  prepare: preparePackedLinear,
  supports({ params }, { lanes }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    if (params.k % 4 !== 0) return `${params.k} features are not a multiple of 4`;
    return params.n % 4 === 0 || `${params.n} columns are not a multiple of 4`;
  },
  elements: (shape) => ({ ...vec4Elements(shape, 'x', 'bias', 'residual', 'y'), weight: 'u32' }),
  wgsl(shape, { lanes, rows }) {
    const dtype = packedDType(shape);
    return wgsl`
      ${subgroups}${workgroupIndex}${packedRows(dtype)}${linearStore(shape, 4)}
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
        let blocks = rowBlocks(params.k);
        ${range(rows / lanes).map((i) => `let x${i} = min(firstRow + ${i * lanes}u + lane, params.m - 1u) * steps;`)}
        ${range(COLUMNS).map((j) => `let w${j} = rowStart(min(column, params.n - 4u) + ${j}u, params.k);`)}

        ${range(rows).map((row) => `var sum${row} = vec4f(0.0);`)}
        for (var b = 0u; b < blocks; b++) {
          ${range(COLUMNS).map((j) => `let scale${j} = scaleOf(w${j}, blocks, b);`)}
          // One vector a turn, though a q4 word holds two: with the sums of 16 rows more code runs out of registers.
          for (var step = 8u * b; step < 8u * (b + 1u); step++) {
            let shift = 4u * (step % VECTORS);
            let columns = mat4x4f(
              ${range(COLUMNS).map((j) => `stored(weight[w${j} + step / VECTORS] >> shift) * (scale${j} * PLACES) - scale${j} * ZERO,`)}
            );
            // Past the end of a row the last vector stands in: the weight is zero there.
            let k = min(step, steps - 1u);
            ${range(rows / lanes).map((i) => `let own${i} = vec4f(x[x${i} + k]);`)}
            ${range(rows).map((row) => `sum${row} += subgroupBroadcast(own${Math.floor(row / lanes)}, ${row % lanes}u) * columns;`)}
          }
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          if (column < params.n) { store(sum0, row, column); }
          ${range(rows - 1).map((row) => `sum${row} = sum${row + 1};`)}
        }
      }
    `;
  },
  dispatch: ({ params: { m, n } }, { lanes, rows }) =>
    spreadWorkgroups(Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows)),
  cost: linearCost,
  efficiency: ({ params: { m, n, k } }, { lanes, rows }, { kind }) => {
    const work = softwareWork({
      tiles: Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows),
      steps: Math.ceil(k / 32),
      laneLoads: (COLUMNS * 9) / 4 + (8 * rows) / lanes,
      uniformLoads: 0,
      multiplyAdds: 32 * COLUMNS * (rows + 4),
      lanes,
    });
    return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
  },
});
