import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows, VECTORS_PER_WORD } from '../wgsl/packed.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  MATVEC_ROWS,
  packedDType,
  preparePackedLinear,
  vec4Elements,
} from './linear-call.ts';
import { range } from './product-work.ts';
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory } from './thread-sum.ts';

/** A tile of `linear_tiled` would still be idle for the most part. */
const MOST_ROWS = 2 * MATVEC_ROWS;

/** Columns of y that a workgroup sums side by side, so that each load of x serves all of them. */
const COLUMNS = 4;

/**
 * linear over a packed weight for a few rows, for GPUs: `linear_matvec_*`, where memory decides, with a quarter or an
 * eighth of its bytes.
 *
 *     weight row   thread 0          thread 1          ...      A thread reads four words at once, a block of q4 or half
 *                 │ 4 words         │ 4 words         │         a block of q8, of four rows of the weight; neighbours
 *                                                               read side by side. Integers are summed as they are
 *     stored, and what their zero adds, ZERO times the sum of x, is taken off each block before its scale multiplies it.
 *
 * Not yet timed on a GPU. CPU adapters have `linear_packed_matvec_broadcast`, which needs no barrier.
 */
function packedMatvec(name: string, sum: ThreadSum): Kernel {
  return defineKernel({
    name,
    op: linear,
    bindings: linearBindings,
    params: linearParams,
    tuning: { workgroupSize: [64, 32], rows: [1, 4] },
    prepare: preparePackedLinear,
    supports({ params }, { rows }, { features }) {
      if (sum.builtin !== '' && !features.subgroups) return 'the adapter has no subgroups';
      if (params.m > MOST_ROWS) return `${params.m} rows are more than ${MOST_ROWS}`;
      if (rows > 1 && params.m === 1) return `one row would leave ${rows - 1} of ${rows} idle`;
      return params.k % 4 === 0 || `${params.k} features are not a multiple of 4`;
    },
    elements: (shape) => ({ ...vec4Elements(shape, 'x'), weight: 'vec4<u32>' }),
    wgsl(shape, { workgroupSize, rows }) {
      const dtype = packedDType(shape);
      const vectors = 4 * VECTORS_PER_WORD[dtype];
      const storedVector = (j: number, v: number): string =>
        dtype === 'q8'
          ? `stored(q${j}[${v}])`
          : `stored(q${j}[${Math.floor(v / 2)}]${v % 2 === 1 ? ' >> 4u' : ''})`;
      return wgsl`
        ${workgroupIndex}${packedRows(dtype, 'vec4')}${sum.snippet(workgroupSize)}${linearStore(shape, 1)}
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
          let blocks = rowBlocks(params.k);
          ${range(rows).map((i) => `let x${i} = min(firstRow + ${i}u, params.m - 1u) * steps;`)}
          ${range(COLUMNS).map((j) => `let w${j} = rowStart(min(firstColumn + ${j}u, params.n - 1u), params.k);`)}

          ${range(rows).map((i) => `var sums${i} = vec4f(0.0);`)}
          for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
            let b = unit * 4u / BLOCK_WORDS;
            let scales = vec4f(${range(COLUMNS)
              .map((j) => `scaleOf(w${j}, blocks, b)`)
              .join(', ')});
            ${range(COLUMNS).map((j) => `let q${j} = weight[w${j} / 4u + unit];`)}
            ${range(rows).map((i) => `var part${i} = vec4f(0.0);`)}
            ${range(rows).map((i) => `var total${i} = vec4f(0.0);`)}
            ${range(vectors).flatMap((v) => [
              '{',
              `  let columns = mat4x4f(${range(COLUMNS)
                .map((j) => storedVector(j, v))
                .join(', ')});`,
              '  // Past the end of a row the last vector stands in: the weight is zero there.',
              `  let k = min(unit * ${vectors}u + ${v}u, steps - 1u);`,
              ...range(rows).flatMap((i) => [
                `  let value${i} = vec4f(x[x${i} + k]);`,
                `  part${i} += (value${i} * PLACES) * columns;`,
                `  total${i} += value${i};`,
              ]),
              '}',
            ])}
            ${range(rows).map((i) => `sums${i} += (part${i} - ZERO * dot(total${i}, vec4f(1.0))) * scales;`)}
          }
          ${range(rows).map((i) => `sums${i} = sumOfThreads(sums${i}, thread${sum.argument});`)}
          ${range(rows).map(
            (i) => `if (thread < COLUMNS && firstRow + ${i}u < params.m && firstColumn + thread < params.n) {
            store(sums${i}[thread], firstRow + ${i}u, firstColumn + thread);
          }`,
          )}
        }
      `;
    },
    dispatch: ({ params: { m, n } }, { rows }) =>
      spreadWorkgroups(Math.ceil(n / COLUMNS) * Math.ceil(m / rows)),
    cost: linearCost,
    efficiency({ params: { m, n, k }, dtypes }, { workgroupSize, rows }, { kind }) {
      const units = Math.ceil(k / 32) * (dtypes.weight === 'q4' ? 1 : 2);
      const idle = (Math.ceil(units / workgroupSize) * workgroupSize) / units;
      // A barrier is a coroutine switch on a CPU.
      const padding = (Math.ceil(n / COLUMNS) * COLUMNS) / n;
      // The weight is read again for each `rows` rows.
      const reads = Math.ceil(m / rows);
      return idle * padding * reads + (kind === 'software' ? 20 : 0);
    },
  });
}

export const linearPackedMatvecSubgroup = packedMatvec('linear_packed_matvec_subgroup', throughSubgroups);
export const linearPackedMatvecWorkgroup = packedMatvec(
  'linear_packed_matvec_workgroup',
  throughWorkgroupMemory,
);
