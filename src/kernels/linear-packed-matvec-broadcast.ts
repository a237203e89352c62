import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows, VECTORS_PER_WORD } from '../wgsl/packed.ts';
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
 * linear over a packed weight for a few rows, in the registers of one small subgroup: decoding on adapters that run
 * on a CPU.
 *
 *     x, one row     │ lane 0 │ lane 1 │ ... │      Per block of 32 a lane loads the words of its 4 columns, which no
 *                    └────────┴────────┴─────┘      one else needs, and its vec4 of x (two of 4 lanes);
 *     weight, lane's columns: words of the block    subgroupBroadcast hands x round. Integers are summed as they
 *                                                   are stored, and what their zero adds, ZERO times the sum of x, is
 * taken off before the block's scale multiplies the sum once.
 *
 * A load costs such an adapter about ten instructions for each word of each lane, so a packed weight is read
 * in a quarter or an eighth of the time; unpacking takes a mask and a conversion, and the place of a byte in its word
 * is a factor of x. (Shifts of signed integers in place of masks took SwiftShader twice as long.)
 *
 * Words are loaded four at once: a word of a vec4 takes lavapipe ten instructions, one by itself eighteen.
 *
 * Least CPU time of one row, 2048×2048, of 9 runs on a busy machine in ms, f32 beside q8 and q4: lavapipe 6.1, 4.0 and
 * 2.0; word by word 7.9 and 2.7. SwiftShader 23, 13 and 6.7; word by word 13 and 8.3.
 *
 * Two rows are worth a text of their own: with 2, with 1 and with 4 at once, 576×576, q8 and q4, lavapipe 0.27, 0.39, 0.37 and
 * 0.19, 0.23, 0.30; SwiftShader 1.2, 1.8, 1.7 and 1.1, 1.5, 2.5.
 */
export const linearPackedMatvecBroadcast = defineKernel({
  name: 'linear_packed_matvec_broadcast',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4], rows: [1, 2, 4] },
  prepare: preparePackedLinear,
  supports({ params }, { lanes, rows }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    if (params.k % 4 !== 0) return `${params.k} features are not a multiple of 4`;
    if (rows > 1 && params.m === 1) return `one row would leave ${rows - 1} of ${rows} idle`;
    return params.n % 4 === 0 || `${params.n} columns are not a multiple of 4`;
  },
  elements: (shape) => ({ ...vec4Elements(shape, 'x', 'bias', 'residual', 'y'), weight: 'vec4<u32>' }),
  wgsl(shape, { lanes, rows }) {
    const dtype = packedDType(shape);
    const vectors = VECTORS_PER_WORD[dtype];
    /** Vectors of four words that a block takes. */
    const quads = range(2 / vectors);
    const perLane = 8 / lanes;
    const storedVector = (j: number, v: number): string => {
      const word = Math.floor(v / vectors);
      return `stored(q${j}_${Math.floor(word / 4)}[${word % 4}]${v % vectors === 1 ? ' >> 4u' : ''})`;
    };
    return wgsl`
      ${subgroups}${workgroupIndex}${packedRows(dtype, 'vec4')}${linearStore(shape, 4)}
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
        ${range(rows).map((i) => `let x${i} = min(firstRow + ${i}u, params.m - 1u) * steps;`)}
        ${range(COLUMNS).map((j) => `let w${j} = rowStart(min(column, params.n - 4u) + ${j}u, params.k);`)}

        ${range(rows).map((i) => `var sum${i} = vec4f(0.0);`)}
        for (var b = 0u; b < blocks; b++) {
          let scales = vec4f(${range(COLUMNS)
            .map((j) => `scaleOf(w${j}, blocks, b)`)
            .join(', ')});
          ${quads.flatMap((i) => range(COLUMNS).map((j) => `let q${j}_${i} = weight[w${j} / 4u + b * (BLOCK_WORDS / 4u) + ${i}u];`))}
          // Past the end of a row the last vector stands in: the weight is zero there.
          ${range(rows).flatMap((i) => range(perLane).map((p) => `let x${i}_${p} = vec4f(x[x${i} + min(8u * b + ${p}u * LANES + lane, steps - 1u)]);`))}
          ${range(rows).flatMap((i) => range(perLane).map((p) => `let own${i}_${p} = x${i}_${p} * PLACES;`))}
          ${range(rows).map(
            (i) =>
              `var part${i} = vec4f(-ZERO * subgroupAdd(dot(${range(perLane)
                .map((p) => `x${i}_${p}`)
                .join(' + ')}, vec4f(1.0))));`,
          )}
          {
            ${range(8).flatMap((v) => [
              `let columns${v} = mat4x4f(${range(COLUMNS)
                .map((j) => storedVector(j, v))
                .join(', ')});`,
              ...range(rows).map(
                (i) =>
                  `part${i} += subgroupBroadcast(own${i}_${Math.floor(v / lanes)}, ${v % lanes}u) * columns${v};`,
              ),
            ])}
          }
          ${range(rows).map((i) => `sum${i} += part${i} * scales;`)}
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
  efficiency: ({ params: { m, n, k }, dtypes }, { lanes, rows }, { kind }) => {
    const work = softwareWork({
      tiles: Math.ceil(n / (4 * lanes)) * Math.ceil(m / rows),
      steps: Math.ceil(k / 32),
      // A scale is one word, a quarter of a vec4.
      laneLoads: COLUMNS * (dtypes.weight === 'q4' ? 1.25 : 2.25) + (8 / lanes) * rows,
      uniformLoads: 0,
      multiplyAdds: 32 * COLUMNS * (rows + 3),
      broadcasts: 8 * rows,
      lanes,
    });
    return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
  },
});
