import { matmul } from '../ops/matmul.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { matmulBatch, matmulBindings, matmulCost, matmulParams, prepareMatmul } from './matmul-call.ts';
import { hasSubgroupsOf, range, softwareWork } from './product-work.ts';

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
  tuning: { lanes: [8, 4], rows: [16, 8] },
  prepare: prepareMatmul,
  supports({ params }, { lanes }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    if (params.k % 4 !== 0) return `inner size ${params.k} is not a multiple of 4`;
    return params.n % 4 === 0 || `${params.n} columns are not a multiple of 4`;
  },
  elements: (shape) => vec4Elements(shape, 'a', 'b', 'y'),
  wgsl: ({ dtypes }, { lanes, rows }) => wgsl`
    ${subgroups}${workgroupIndex}${matmulBatch}
    const LANES = ${lanes}u;
    const ROWS = ${rows}u;

    @compute @workgroup_size(LANES)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(subgroup_invocation_id) lane: u32,
    ) {
      // Columns are counted in vectors of 4.
      let columns = params.n / 4u;
      let columnTiles = (columns + LANES - 1u) / LANES;
      let rowTiles = (params.m + ROWS - 1u) / ROWS;
      let tile = workgroupIndex(workgroupId, numWorkgroups);
      let matrix = tile / (columnTiles * rowTiles);
      if (matrix >= params.batch) { return; }
      let firstRow = (tile % rowTiles) * ROWS;
      let column = (tile / rowTiles) % columnTiles * LANES + lane;
      let steps = params.k / 4u;
      let aStart = matrixA(matrix) * params.m;
      ${range(rows / lanes).map((i) => `let a${i} = (aStart + min(firstRow + ${i * lanes}u + lane, params.m - 1u)) * steps;`)}
      let bStart = matrixB(matrix) * params.k * columns + min(column, columns - 1u);

      ${range(rows).map((row) => `var sum${row} = vec4f(0.0);`)}
      for (var k = 0u; k < steps; k++) {
        let at = bStart + 4u * k * columns;
        let rowsOfB = mat4x4f(
          vec4f(b[at]),
          vec4f(b[at + columns]),
          vec4f(b[at + 2u * columns]),
          vec4f(b[at + 3u * columns]),
        );
        ${range(rows / lanes).map((i) => `let own${i} = vec4f(a[a${i} + k]);`)}
        ${range(rows).map((row) => `sum${row} += rowsOfB * subgroupBroadcast(own${Math.floor(row / lanes)}, ${row % lanes}u);`)}
      }

      let end = min(firstRow + ROWS, params.m);
      for (var row = firstRow; row < end; row++) {
        if (column < columns) { y[(matrix * params.m + row) * columns + column] = vec4<${dtypes.y ?? 'f32'}>(sum0); }
        ${range(rows - 1).map((row) => `sum${row} = sum${row + 1};`)}
      }
    }
  `,
  dispatch: ({ params: { batch, m, n } }, { lanes, rows }) =>
    spreadWorkgroups(batch * Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows)),
  cost: matmulCost,
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
