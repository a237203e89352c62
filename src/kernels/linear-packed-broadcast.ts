import { linear } from '../ops/linear.ts';
import { addProduct } from '../wgsl/add-product.ts';
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
import { hasSubgroupsOf, range, softwareWork, tooLarge } from './product-work.ts';
import { addHandedRound, declareSums, storeFirstRow } from './subgroup-tile.ts';

/** Columns of a lane. */
const COLUMNS = 4;

/**
 * What unpacking costs beside the rows, in rows. Four vectors a lane do not fit SwiftShader's registers, so that what is
 * unpacked goes to the stack and back: 8 rows took 1.2 to 1.5 times the CPU time of `linear_packed_matvec_broadcast` of 4.
 */
const UNPACKING = { 1: 4, 4: 8 } as const;

/**
 * linear over a packed weight for many rows: `linear_broadcast`, whose lanes load one word of each of their 4 columns
 * where that loads a vec4 (q8) or two (q4). Weights are scaled before use, so that all rows share the product.
 *
 * Arithmetic decides here, so few bits gain little: CPU time of 64×768×768 with 16 rows on a busy machine, f32 beside q8
 * and q4, in ms: lavapipe 5.0, 4.3 and 4.5; SwiftShader 40, 66 and 49. There 16 columns a lane share what is handed round:
 * 48 and 35 (q8), 47 and 34 (q4) in one run.
 */
export const linearPackedBroadcast = defineKernel({
  name: 'linear_packed_broadcast',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4], rows: [16, 8], vectors: [1, 4] },
  prepare: preparePackedLinear,
  supports({ params }, t, caps) {
    if (!hasSubgroupsOf(t.lanes, caps)) return `the adapter's subgroups are not of ${t.lanes}`;
    if (params.k % 4 !== 0) return `${params.k} features are not a multiple of 4`;
    if (params.n % 4 !== 0) return `${params.n} columns are not a multiple of 4`;
    return tooLarge(t) ?? true;
  },
  elements: (shape) => ({ ...vec4Elements(shape, 'x', 'bias', 'residual', 'y'), weight: 'u32' }),
  wgsl(shape, tile) {
    const { lanes, rows, vectors } = tile;
    const dtype = packedDType(shape);
    return wgsl`
      ${subgroups}${workgroupIndex}${packedRows(dtype)}${addProduct(lanes)}${linearStore(shape, 4)}
      const LANES = ${lanes}u;
      const ROWS = ${rows}u;
      // Of a lane, each of 4 columns, LANES vectors apart.
      const LANE_VECTORS = ${vectors}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let rowTiles = (params.m + ROWS - 1u) / ROWS;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let firstRow = (tile % rowTiles) * ROWS;
        let firstColumn = (tile / rowTiles) * LANES * LANE_VECTORS * 4u;
        if (firstColumn >= params.n) { return; }
        let steps = params.k / 4u;
        let blocks = rowBlocks(params.k);
        ${range(rows / lanes).map((i) => `let x${i} = min(firstRow + ${i * lanes}u + lane, params.m - 1u) * steps;`)}
        ${range(vectors).flatMap((v) => [
          `let column${v} = firstColumn + (${v}u * LANES + lane) * 4u;`,
          ...range(COLUMNS).map(
            (j) => `let w${v}_${j} = rowStart(min(column${v}, params.n - 4u) + ${j}u, params.k);`,
          ),
        ])}

        ${declareSums(tile)}
        for (var b = 0u; b < blocks; b++) {
          ${range(vectors).flatMap((v) => range(COLUMNS).map((j) => `let scale${v}_${j} = scaleOf(w${v}_${j}, blocks, b);`))}
          // One vector a turn, though a q4 word holds two: with the sums of 16 rows more code runs out of registers.
          for (var step = 8u * b; step < 8u * (b + 1u); step++) {
            let shift = 4u * (step % VECTORS);
            ${range(vectors).flatMap((v) => [
              `let columns${v} = transpose(mat4x4f(`,
              ...range(COLUMNS).map(
                (j) =>
                  `  stored(weight[w${v}_${j} + step / VECTORS] >> shift) * (scale${v}_${j} * PLACES) - scale${v}_${j} * ZERO,`,
              ),
              '));',
            ])}
            // Past the end of a row the last vector stands in: the weight is zero there.
            let k = min(step, steps - 1u);
            ${range(rows / lanes).map((i) => `let own${i} = vec4f(x[x${i} + k]);`)}
            ${addHandedRound(tile, 'columns')}
          }
        }

        let end = min(firstRow + ROWS, params.m);
        for (var row = firstRow; row < end; row++) {
          ${storeFirstRow(tile, (sum, v) => `if (column${v} < params.n) { store(${sum}, row, column${v}); }`)}
        }
      }
    `;
  },
  dispatch: ({ params: { m, n } }, { lanes, rows, vectors }) =>
    spreadWorkgroups(Math.ceil(n / (4 * vectors * lanes)) * Math.ceil(m / rows)),
  cost: linearCost,
  efficiency: ({ params: { m, n, k } }, { lanes, rows, vectors }, { kind }) => {
    const work = softwareWork({
      tiles: Math.ceil(n / (4 * vectors * lanes)) * Math.ceil(m / rows),
      steps: Math.ceil(k / 32),
      laneLoads: (vectors * COLUMNS * 9) / 4 + (8 * rows) / lanes,
      uniformLoads: 0,
      multiplyAdds: 32 * COLUMNS * vectors * (rows + UNPACKING[vectors]),
      broadcasts: 8 * rows,
      lanes,
    });
    return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
  },
});
