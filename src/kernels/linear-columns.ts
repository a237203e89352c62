import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
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
import { range, softwareWork } from './product-work.ts';

const WORKGROUP_SIZE = 64;
/** Columns of one thread, a workgroup apart, so that neighbouring threads store side by side. */
const COLUMNS = 4;

/**
 * linear with registers alone: no subgroups, no workgroup memory, every size. The fallback of the others.
 *
 *          thread's columns j, j + WORKGROUP_SIZE, ...
 *     ┌───┬───┬───┬───┐
 *     │   │   │   │   │   A thread owns `rows` × 4 sums. Its columns are rows of the weight, read by it alone; x is
 *     │   │   │   │   │   read at one address by all threads.
 *     └───┴───┴───┴───┘
 *
 * Share of the FMA peak at 197×768×768 with 8 rows, vec 4, one run each: lavapipe 6 %, SwiftShader 8 %.
 */
export const linearColumns = defineKernel({
  name: 'linear_columns',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { rows: [8, 1], vec: [4, 1] },
  prepare: prepareLinear,
  supports: ({ params }, { vec }) =>
    params.k % vec === 0 || `${params.k} features are not a multiple of vec ${vec}`,
  elements: (shape, { vec }) => (vec === 4 ? vec4Elements(shape, 'x', 'weight') : {}),
  wgsl(shape, { rows, vec }) {
    const float = vec === 4 ? 'vec4f' : 'f32';
    const product = vec === 4 ? 'dot(value, column)' : 'value * column';
    const tile = range(rows).flatMap((i) => range(COLUMNS).map((j) => ({ i, j })));
    return wgsl`
      ${workgroupIndex}${linearStore(shape, 1)}
      const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
      const ROWS = ${rows}u;
      const COLUMNS = ${COLUMNS}u;

      fn product(value: ${float}, column: ${float}) -> f32 { return ${product}; }

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let firstRow = (tile % rowTiles) * ROWS;
        let tileColumn = (tile / rowTiles) * COLUMNS * WORKGROUP_SIZE;
        if (tileColumn >= params.n) { return; }
        let firstColumn = tileColumn + thread;
        let steps = params.k / ${vec}u;
        ${range(rows).map((i) => `let x${i} = min(firstRow + ${i}u, params.m - 1u) * steps;`)}
        ${range(COLUMNS).map((j) => `let w${j} = min(firstColumn + ${j}u * WORKGROUP_SIZE, params.n - 1u) * steps;`)}

        ${tile.map(({ i, j }) => `var sum${i}_${j} = 0.0;`)}
        for (var k = 0u; k < steps; k++) {
          ${range(rows).map((i) => `let value${i} = ${float}(x[x${i} + k]);`)}
          ${range(COLUMNS).map((j) => `let column${j} = ${float}(weight[w${j} + k]);`)}
          ${tile.map(({ i, j }) => `sum${i}_${j} += product(value${i}, column${j});`)}
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          ${range(COLUMNS).map((j) => `storeInside(sum0_${j}, row, firstColumn + ${j}u * WORKGROUP_SIZE);`)}
          ${tile.filter(({ i }) => i < rows - 1).map(({ i, j }) => `sum${i}_${j} = sum${i + 1}_${j};`)}
        }
      }

      fn storeInside(sum: f32, row: u32, column: u32) {
        if (column < params.n) { store(sum, row, column); }
      }
    `;
  },
  dispatch: ({ params: { m, n } }, { rows }) =>
    spreadWorkgroups(Math.ceil(n / (COLUMNS * WORKGROUP_SIZE)) * Math.ceil(m / rows)),
  cost: linearCost,
  efficiency({ params: { m, n, k } }, { rows, vec }, { kind }) {
    const tiles = Math.ceil(n / (COLUMNS * WORKGROUP_SIZE)) * Math.ceil(m / rows);
    // A GPU's cache has to serve every thread's own row of the weight: many times slower than a tiled kernel.
    if (kind !== 'software') return (20 * tiles * COLUMNS * WORKGROUP_SIZE * rows) / (n * m) / vec;
    // A CPU loads float by float, so a scalar costs little more than a quarter of a vec4.
    const share = vec === 4 ? 1 : 0.3;
    const tiling = {
      laneLoads: share * COLUMNS,
      uniformLoads: share * rows,
      multiplyAdds: COLUMNS * rows * vec,
    };
    return softwareWork({ ...tiling, tiles, steps: k / vec, lanes: WORKGROUP_SIZE }) / (m * n * k);
  },
});
