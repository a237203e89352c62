import { matmul } from '../ops/matmul.ts';
import { addProduct } from '../wgsl/add-product.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { matmulBatch, matmulBindings, matmulCost, matmulParams, prepareMatmul } from './matmul-call.ts';
import { hasSubgroupsOf, range, subgroupTileWork, tooLarge } from './product-work.ts';
import { addHandedRound, declareSums, storeFirstRow } from './subgroup-tile.ts';

/**
 * matmul in the registers of one small subgroup, for adapters that run on a CPU: `linear_broadcast`, whose header
 * says why, with b [K, N] read along its rows. Per four steps of k a lane loads 4 vec4 of b (four rows of its own
 * four columns) and rows / lanes vec4 of a, which subgroupBroadcast hands round.
 */
export const matmulBroadcast = defineKernel({
  name: 'matmul_broadcast',
  op: matmul,
  bindings: matmulBindings,
  params: matmulParams,
  tuning: { lanes: [8, 4], rows: [16, 8], vectors: [1, 4] },
  prepare: prepareMatmul,
  supports({ params }, t, caps) {
    if (!hasSubgroupsOf(t.lanes, caps)) return `the adapter's subgroups are not of ${t.lanes}`;
    if (params.k % 4 !== 0) return `inner size ${params.k} is not a multiple of 4`;
    if (params.n % 4 !== 0) return `${params.n} columns are not a multiple of 4`;
    return tooLarge(t) ?? true;
  },
  elements: (shape) => vec4Elements(shape, 'a', 'b', 'y'),
  wgsl({ dtypes }, tile) {
    const { lanes, rows, vectors } = tile;
    const stored = `vec4<${dtypes.y ?? 'f32'}>`;
    return wgsl`
      ${subgroups}${workgroupIndex}${matmulBatch}${addProduct(lanes)}
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
        // Columns are counted in vectors of 4.
        let columns = params.n / 4u;
        let columnTiles = (columns + LANES * VECTORS - 1u) / (LANES * VECTORS);
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let matrix = tile / (columnTiles * rowTiles);
        if (matrix >= params.batch) { return; }
        let firstRow = (tile % rowTiles) * ROWS;
        let firstColumn = (tile / rowTiles) % columnTiles * LANES * VECTORS + lane;
        let steps = params.k / 4u;
        let aStart = matrixA(matrix) * params.m;
        ${range(rows / lanes).map((i) => `let a${i} = (aStart + min(firstRow + ${i * lanes}u + lane, params.m - 1u)) * steps;`)}
        let bStart = matrixB(matrix) * params.k * columns;
        ${range(vectors).flatMap((v) => [
          `let column${v} = firstColumn + ${v}u * LANES;`,
          `let b${v} = bStart + min(column${v}, columns - 1u);`,
        ])}

        ${declareSums(tile)}
        for (var k = 0u; k < steps; k++) {
          let at = 4u * k * columns;
          ${range(vectors).flatMap((v) => [
            `let rows${v} = mat4x4f(`,
            `  vec4f(b[b${v} + at]),`,
            `  vec4f(b[b${v} + at + columns]),`,
            `  vec4f(b[b${v} + at + 2u * columns]),`,
            `  vec4f(b[b${v} + at + 3u * columns]),`,
            ');',
          ])}
          ${range(rows / lanes).map((i) => `let own${i} = vec4f(a[a${i} + k]);`)}
          ${addHandedRound(tile, 'rows')}
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          let start = (matrix * params.m + row) * columns;
          ${storeFirstRow(tile, (sum, v) => `if (column${v} < columns) { y[start + column${v}] = ${stored}(${sum}); }`)}
        }
      }
    `;
  },
  dispatch: ({ params: { batch, m, n } }, { lanes, rows, vectors }) =>
    spreadWorkgroups(batch * Math.ceil(n / (4 * vectors * lanes)) * Math.ceil(m / rows)),
  cost: matmulCost,
  efficiency: ({ params }, t, caps) => subgroupTileWork(params, t, caps),
});
