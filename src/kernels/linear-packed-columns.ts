import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows } from '../wgsl/packed.ts';
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
import { range, softwareWork } from './product-work.ts';

const WORKGROUP_SIZE = 64;
/** Columns of one thread, a workgroup apart, so that neighbouring threads store side by side. */
const COLUMNS = 4;

/**
 * linear over a packed weight with registers alone: no subgroups, no workgroup memory, every size. The fallback of the
 * others, built as `linear_columns` is: a thread's columns are rows of the weight, which it alone reads, and x is read
 * at one address by all threads. With `vec` 1 the rows of x may start anywhere.
 */
export const linearPackedColumns = defineKernel({
  name: 'linear_packed_columns',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { rows: [8, 1], vec: [4, 1] },
  prepare: preparePackedLinear,
  supports: ({ params }, { vec }) =>
    params.k % vec === 0 || `${params.k} features are not a multiple of vec ${vec}`,
  elements: (shape, { vec }) => ({ ...(vec === 4 ? vec4Elements(shape, 'x') : {}), weight: 'u32' }),
  wgsl(shape, { rows, vec }) {
    const dtype = packedDType(shape);
    const tile = range(rows).flatMap((i) => range(COLUMNS).map((j) => ({ i, j })));
    return wgsl`
      ${workgroupIndex}${packedRows(dtype)}${linearStore(shape, 1)}
      const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
      const ROWS = ${rows}u;
      const COLUMNS = ${COLUMNS}u;

      // Elements 4 step to 4 step + 3 of a row; past its end the last ones stand in, since the weight is zero there.
      fn loadX(row: u32, step: u32) -> vec4f {
        ${vec === 4 ? LOAD_VEC4 : LOAD_SCALARS}
      }

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
        let blocks = rowBlocks(params.k);
        ${range(rows).map((i) => `let row${i} = min(firstRow + ${i}u, params.m - 1u);`)}
        ${range(COLUMNS).map((j) => `let w${j} = rowStart(min(firstColumn + ${j}u * WORKGROUP_SIZE, params.n - 1u), params.k);`)}

        ${tile.map(({ i, j }) => `var sum${i}_${j} = 0.0;`)}
        for (var b = 0u; b < blocks; b++) {
          ${range(COLUMNS).map((j) => `let scale${j} = scaleOf(w${j}, blocks, b);`)}
          for (var step = 8u * b; step < 8u * (b + 1u); step++) {
            let shift = 4u * (step % VECTORS);
            ${range(COLUMNS).map((j) => `let column${j} = stored(weight[w${j} + step / VECTORS] >> shift) * (scale${j} * PLACES) - scale${j} * ZERO;`)}
            ${range(rows).map((i) => `let value${i} = loadX(row${i}, step);`)}
            ${tile.map(({ i, j }) => `sum${i}_${j} += dot(value${i}, column${j});`)}
          }
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
    const work = softwareWork({
      tiles,
      steps: Math.ceil(k / 32),
      laneLoads: (COLUMNS * 9) / 4,
      uniformLoads: 8 * rows * (vec === 4 ? 1 : 1.2),
      multiplyAdds: 32 * COLUMNS * (rows + 4),
      lanes: WORKGROUP_SIZE,
    });
    return work / (m * n * k);
  },
});

const LOAD_VEC4 = `
  let steps = params.k / 4u;
  return vec4f(x[row * steps + min(step, steps - 1u)]);
`.trim();

const LOAD_SCALARS = `
  let last = params.k - 1u;
  let at = min(4u * step + vec4u(0u, 1u, 2u, 3u), vec4u(last)) + row * params.k;
  return vec4f(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
`.trim();
