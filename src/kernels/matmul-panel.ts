import { matmul } from '../ops/matmul.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { matmulBatch, matmulBindings, matmulCost, matmulParams, prepareMatmul } from './matmul-call.ts';
import { panelOf, panelRows, panelSums, panelTiles, panelWork, supportsPanel } from './panel-tile.ts';
import { range } from './product-work.ts';

/**
 * matmul of many rows, for adapters that run on a CPU: `linear_panel`, whose header says why, with b [K, N] read along its
 * rows.
 */
export const matmulPanel = defineKernel({
  name: 'matmul_panel',
  op: matmul,
  bindings: matmulBindings,
  params: matmulParams,
  tuning: { lanes: [8, 4] },
  prepare: prepareMatmul,
  supports: ({ params, dtypes }, t, caps) => supportsPanel(params, t, caps, dtypes),
  elements: (shape) => vec4Elements(shape, 'a', 'b', 'y'),
  wgsl(_shape, t) {
    const { vectors } = panelOf(t);
    return wgsl`
      ${subgroups}${workgroupIndex}${matmulBatch}${panelRows}
      const LANES = ${t.lanes}u;
      // Of a lane, each of 4 columns, LANES vectors apart.
      const VECTORS = ${vectors}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        // Columns are counted in vectors of 4.
        let columns = params.n / 4u;
        let columnTiles = (columns + LANES * VECTORS - 1u) / (LANES * VECTORS);
        let tileRows = panelRows(params.m);
        let rowTiles = (params.m + tileRows - 1u) / tileRows;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let matrix = tile / (columnTiles * rowTiles);
        if (matrix >= params.batch) { return; }
        let firstRow = (tile % rowTiles) * tileRows;
        let endRow = min(firstRow + tileRows, params.m);
        let firstColumn = (tile / rowTiles) % columnTiles * LANES * VECTORS + lane;
        ${range(vectors).map((v) => `let column${v} = firstColumn + ${v}u * LANES;`)}
        let aStart = matrixA(matrix) * params.m;
        let bStart = matrixB(matrix) * params.k * columns;

        ${panelSums(t, {
          streamed: (row, step) => `vec4f(a[(aStart + ${row}) * steps + ${step}])`,
          held: (column, step, part) => `vec4f(b[bStart + (4u * ${step} + ${part}) * columns + ${column}])`,
          factor: (k, column) => [k, column],
          at: (row, column) => `(matrix * params.m + ${row}) * columns + ${column}`,
        })}
      }
    `;
  },
  dispatch: ({ params }, t) => spreadWorkgroups(params.batch * panelTiles(params, t)),
  cost: matmulCost,
  efficiency: ({ params }, t, caps) => panelWork(params, t, caps),
});
