import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  MATVEC_ROWS,
  prepareLinear,
  vec4Elements,
} from './linear-call.ts';
import { hasSubgroupsOf, LARGE_WORKGROUP, range, softwareWork } from './product-work.ts';
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory, withinSubgroup } from './thread-sum.ts';

/** Columns of y that a workgroup sums side by side, so that each load of x serves all of them. */
const COLUMNS = 4;

/** What barriers cost one row within one SIMD vector of lanes. */
const ONE_ROW = 1.3;
/** Threads of a GPU's workgroup below which some of its lanes have none. */
const WARP = 32;

/**
 * linear for a few rows, which is decoding: every weight is read once, so memory decides.
 *
 *     weight [n, k]   thread 0   thread 1   ...   thread 0   ...
 *     column 0       │ k 0..3  │ k 4..7  │ ... │           │      Neighbouring threads read neighbouring vec4 of
 *     column 1       │         │         │     │           │      four rows of the weight; each vec4 of x is used
 *     column 2       │         │         │     │           │      for all four. `sumOfThreads` adds them up at the end.
 *     column 3       │         │         │     │           │
 *
 * On a CPU a workgroup of 64 takes 1.4 to 4.5 times as long as one of 8, since a barrier is a coroutine switch; one
 * subgroup needs none. Least CPU time of one row in ms, `linear_columns`, a workgroup of 8 through subgroups, one subgroup:
 *
 *     lavapipe     576×576 0.77, 0.81, 0.74   576×1536 1.8, 1.8, 1.8   2048×2048 5.8, 6.6, 6.1 (2.9, 2.6, 2.8 GB/s)
 *     SwiftShader  576×576 2.3, 2.3, 2.2      576×1536 4.7, 7.0, 5.2   2048×2048 23, 26, 23
 *
 * A loop that only loads vec4 reads 2.7 to 3.0 GB/s of CPU time on lavapipe and 0.8 to 1.1 on SwiftShader.
 */
function matvec(name: string, sum: ThreadSum, workgroupSizes: readonly number[]): Kernel {
  return defineKernel({
    name,
    op: linear,
    bindings: linearBindings,
    params: linearParams,
    tuning: { workgroupSize: workgroupSizes, rows: [1, 4] },
    prepare: prepareLinear,
    supports({ params }, { workgroupSize, rows }, caps) {
      if (sum === throughSubgroups && !caps.features.subgroups) return 'the adapter has no subgroups';
      if (sum === withinSubgroup && !hasSubgroupsOf(workgroupSize, caps))
        return `the adapter's subgroups are not of ${workgroupSize}`;
      if (params.m > MATVEC_ROWS) return `${params.m} rows are more than ${MATVEC_ROWS}`;
      if (rows > 1 && params.m === 1) return `one row would leave ${rows - 1} of ${rows} idle`;
      return params.k % 4 === 0 || `${params.k} features are not a multiple of 4`;
    },
    elements: (shape) => vec4Elements(shape, 'x', 'weight'),
    wgsl: (shape, { workgroupSize, rows }) => wgsl`
      ${workgroupIndex}${sum.snippet(workgroupSize)}${linearStore(shape, 1)}
      const WORKGROUP_SIZE = ${workgroupSize}u;
      const ROWS = ${rows}u;
      const COLUMNS = ${COLUMNS}u;

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
        ${sum.builtin}
      ) {
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let firstRow = (tile % rowTiles) * ROWS;
        let firstColumn = (tile / rowTiles) * COLUMNS;
        if (firstColumn >= params.n) { return; }
        let steps = params.k / 4u;
        ${range(rows).map((i) => `let x${i} = min(firstRow + ${i}u, params.m - 1u) * steps;`)}
        ${range(COLUMNS).map((j) => `let w${j} = min(firstColumn + ${j}u, params.n - 1u) * steps;`)}

        ${range(rows).map((i) => `var sums${i} = vec4f(0.0);`)}
        for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
          let columns = mat4x4f(${range(COLUMNS)
            .map((j) => `vec4f(weight[w${j} + k])`)
            .join(', ')});
          ${range(rows).map((i) => `sums${i} += vec4f(x[x${i} + k]) * columns;`)}
        }
        ${range(rows).map((i) => `sums${i} = sumOfThreads(sums${i}, thread${sum.argument});`)}
        ${range(rows).map(
          (i) => `if (thread < COLUMNS && firstRow + ${i}u < params.m && firstColumn + thread < params.n) {
          store(sums${i}[thread], firstRow + ${i}u, firstColumn + thread);
        }`,
        )}
      }
    `,
    dispatch: ({ params: { m, n } }, { rows }) =>
      spreadWorkgroups(Math.ceil(n / COLUMNS) * Math.ceil(m / rows)),
    cost: linearCost,
    efficiency({ params: { m, n, k } }, { workgroupSize, rows }, { kind }) {
      const tiles = Math.ceil(n / COLUMNS) * Math.ceil(m / rows);
      if (kind !== 'software') {
        const idle = Math.max(1, WARP / workgroupSize);
        return (idle * tiles * COLUMNS * rows) / (n * m) + workgroupSize / k;
      }
      const steps = Math.ceil(k / 4 / workgroupSize);
      const laneLoads = COLUMNS + rows;
      const switching =
        sum === withinSubgroup ? 1 : workgroupSize > 8 ? LARGE_WORKGROUP : m === 1 ? ONE_ROW : 1;
      const tiling = {
        tiles,
        steps,
        laneLoads,
        uniformLoads: 0,
        multiplyAdds: 16 * rows,
        lanes: workgroupSize,
      };
      return (switching * softwareWork(tiling)) / (m * n * k);
    },
  });
}

export const linearMatvecLanes = matvec('linear_matvec_lanes', withinSubgroup, [8, 4]);
export const linearMatvecSubgroup = matvec('linear_matvec_subgroup', throughSubgroups, [64]);
export const linearMatvecWorkgroup = matvec('linear_matvec_workgroup', throughWorkgroupMemory, [64, 8]);
