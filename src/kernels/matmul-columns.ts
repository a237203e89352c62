import { matmul } from '../ops/matmul.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { matmulBatch, matmulBindings, matmulCost, matmulParams, prepareMatmul } from './matmul-call.ts';
import { range, softwareWork } from './product-work.ts';

const WORKGROUP_SIZE = 64;

/**
 * matmul with registers alone: no subgroups, no workgroup memory, every size. The fallback of the others.
 * A thread owns `rows` sums of `vec` neighbouring columns; a is read at one address by all threads.
 */
export const matmulColumns = defineKernel({
  name: 'matmul_columns',
  op: matmul,
  bindings: matmulBindings,
  params: matmulParams,
  tuning: { rows: [8, 1], vec: [4, 1] },
  prepare: prepareMatmul,
  supports: ({ params }, { vec }) =>
    params.n % vec === 0 || `${params.n} columns are not a multiple of vec ${vec}`,
  elements: ({ dtypes }, { vec }) => (vec === 4 ? { b: `vec4<${dtypes.b}>`, y: `vec4<${dtypes.y}>` } : {}),
  wgsl({ dtypes }, { rows, vec }) {
    const float = vec === 4 ? 'vec4f' : 'f32';
    const stored = vec === 4 ? `vec4<${dtypes.y}>` : (dtypes.y ?? 'f32');
    return wgsl`
      ${workgroupIndex}${matmulBatch}
      const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
      const ROWS = ${rows}u;

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        // Columns are counted in vectors of ${vec}.
        let columns = params.n / ${vec}u;
        let columnTiles = (columns + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let matrix = tile / (columnTiles * rowTiles);
        if (matrix >= params.batch) { return; }
        let firstRow = (tile % rowTiles) * ROWS;
        let column = (tile / rowTiles) % columnTiles * WORKGROUP_SIZE + thread;
        let aStart = matrixA(matrix) * params.m;
        ${range(rows).map((i) => `let a${i} = (aStart + min(firstRow + ${i}u, params.m - 1u)) * params.k;`)}
        let bStart = matrixB(matrix) * params.k * columns + min(column, columns - 1u);

        ${range(rows).map((i) => `var sum${i} = ${float}(0.0);`)}
        for (var k = 0u; k < params.k; k++) {
          let row = ${float}(b[bStart + k * columns]);
          ${range(rows).map((i) => `sum${i} += f32(a[a${i} + k]) * row;`)}
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          if (column < columns) { y[(matrix * params.m + row) * columns + column] = ${stored}(sum0); }
          ${range(rows - 1).map((i) => `sum${i} = sum${i + 1};`)}
        }
      }
    `;
  },
  dispatch: ({ params: { batch, m, n } }, { rows, vec }) =>
    spreadWorkgroups(batch * Math.ceil(n / (vec * WORKGROUP_SIZE)) * Math.ceil(m / rows)),
  cost: matmulCost,
  efficiency({ params: { m, n, k } }, { rows, vec }, { kind }) {
    const tiles = Math.ceil(n / (vec * WORKGROUP_SIZE)) * Math.ceil(m / rows);
    if (kind !== 'software') return (8 * tiles * vec * WORKGROUP_SIZE * rows) / (n * m) / rows;
    // A CPU loads float by float, so a scalar costs little more than a quarter of a vec4.
    const tiling = { laneLoads: vec === 4 ? 1 : 0.3, uniformLoads: rows * 0.3, multiplyAdds: vec * rows };
    return softwareWork({ ...tiling, tiles, steps: k, lanes: WORKGROUP_SIZE }) / (m * n * k);
  },
});
