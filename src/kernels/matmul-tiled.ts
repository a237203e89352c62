import { matmul } from '../ops/matmul.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { matmulBatch, matmulBindings, matmulCost, matmulParams, prepareMatmul } from './matmul-call.ts';
import { tileWork } from './product-work.ts';

/** Threads along each side of a workgroup. */
const SIDE = 16;
/** In vec4: what a step stages of a row of a, and the distance between such rows. */
const DEPTH = 4;
const STRIDE = DEPTH + 1;

/**
 * matmul through workgroup memory, for GPUs: 16 × 16 threads make a tile of (16 × rows) × 64.
 *
 *            bTile, 16 of k × 64 columns
 *                 ┌───────────────┐       A step stages 16 of k. Thread (s, t) owns rows s + 16 i and the four
 *     aTile       │     4 t       │       columns from 4 t. Rows of aTile are 4 + 1 vec4 apart, against bank
 *     ┌──┐        ├───────────────┤       conflicts; rows of bTile are read side by side.
 *     │  │  s     │    sums[i]    │
 *     └──┘        └───────────────┘
 *
 * Blocking and buffers as in `linear_tiled`. Not for CPU adapters.
 */
export const matmulTiled = defineKernel({
  name: 'matmul_tiled',
  op: matmul,
  bindings: matmulBindings,
  params: matmulParams,
  tuning: { rows: [4, 8], buffers: [1, 2] },
  prepare: prepareMatmul,
  supports({ params }, { rows, buffers }, { limits }) {
    if (limits.maxComputeInvocationsPerWorkgroup < SIDE * SIDE)
      return `workgroup of ${SIDE * SIDE} is too large`;
    const bytes = 16 * SIDE * (STRIDE * rows + 4 * DEPTH) * buffers;
    if (bytes > limits.maxComputeWorkgroupStorageSize)
      return `${bytes} bytes of workgroup memory are over the adapter's ${limits.maxComputeWorkgroupStorageSize}`;
    if (params.k % 4 !== 0) return `inner size ${params.k} is not a multiple of 4`;
    return params.n % 4 === 0 || `${params.n} columns are not a multiple of 4`;
  },
  elements: (shape) => vec4Elements(shape, 'a', 'b', 'y'),
  wgsl: ({ dtypes }, { rows, buffers }) => wgsl`
    ${workgroupIndex}${matmulBatch}
    const SIDE = ${SIDE}u;
    const THREADS = SIDE * SIDE;
    const ROWS = ${rows}u;
    const TILE_ROWS = ROWS * SIDE;
    const DEPTH = ${DEPTH}u;
    const STRIDE = ${STRIDE}u;
    const BUFFERS = ${buffers}u;

    var<workgroup> aTile: array<vec4f, BUFFERS * TILE_ROWS * STRIDE>;
    var<workgroup> bTile: array<vec4f, BUFFERS * 4u * DEPTH * SIDE>;

    @compute @workgroup_size(THREADS)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      // Columns are counted in vectors of 4.
      let columns = params.n / 4u;
      let columnTiles = (columns + SIDE - 1u) / SIDE;
      let rowTiles = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
      let tile = workgroupIndex(workgroupId, numWorkgroups);
      let matrix = tile / (columnTiles * rowTiles);
      if (matrix >= params.batch) { return; }
      let firstRow = (tile % rowTiles) * TILE_ROWS;
      let firstColumn = (tile / rowTiles) % columnTiles * SIDE;
      let aStart = matrixA(matrix) * params.m;
      let bStart = matrixB(matrix) * params.k;
      let s = thread / SIDE;
      let t = thread % SIDE;

      var sums: array<vec4f, ROWS>;
      let corner = TileCorner(aStart, bStart, firstRow, firstColumn);
      ${buffers === 2 ? 'stage(thread, corner, 0u);' : []}
      for (var step = 0u; step < params.k / 4u; step += DEPTH) {
        ${
          buffers === 2
            ? ['workgroupBarrier();', 'stage(thread, corner, step + DEPTH);']
            : ['stage(thread, corner, step);', 'workgroupBarrier();']
        }
        let aFirst = bufferOf(step) * TILE_ROWS + s;
        for (var k = 0u; k < DEPTH; k++) {
          let at = 4u * (bufferOf(step) * DEPTH + k) * SIDE + t;
          let rowsOfB = mat4x4f(bTile[at], bTile[at + SIDE], bTile[at + 2u * SIDE], bTile[at + 3u * SIDE]);
          for (var i = 0u; i < ROWS; i++) {
            sums[i] += rowsOfB * aTile[(aFirst + i * SIDE) * STRIDE + k];
          }
        }
        ${buffers === 1 ? 'workgroupBarrier();' : []}
      }

      for (var i = 0u; i < ROWS; i++) {
        let row = firstRow + s + i * SIDE;
        let column = firstColumn + t;
        if (row < params.m && column < columns) {
          y[(matrix * params.m + row) * columns + column] = vec4<${dtypes.y ?? 'f32'}>(sums[i]);
        }
      }
    }

    // Where the matrices begin, and where the tile does in them.
    struct TileCorner { aStart: u32, bStart: u32, row: u32, column: u32 }

    fn bufferOf(step: u32) -> u32 { return step / DEPTH % BUFFERS; }

    // Both tiles of a step; past the last step they are zeros that nobody reads.
    fn stage(thread: u32, corner: TileCorner, step: u32) {
      for (var i = thread; i < TILE_ROWS * DEPTH; i += THREADS) {
        let at = (bufferOf(step) * TILE_ROWS + i / DEPTH) * STRIDE + i % DEPTH;
        aTile[at] = loadA(corner.aStart, corner.row + i / DEPTH, step + i % DEPTH);
      }
      for (var i = thread; i < 4u * DEPTH * SIDE; i += THREADS) {
        let at = 4u * bufferOf(step) * DEPTH * SIDE + i;
        bTile[at] = loadB(corner.bStart, 4u * step + i / SIDE, corner.column + i % SIDE);
      }
    }

    // Rows and columns past the end repeat the last one, and are never stored; past the end of k there are zeros.
    fn loadA(start: u32, row: u32, step: u32) -> vec4f {
      if (step >= params.k / 4u) { return vec4f(0.0); }
      return vec4f(a[(start + min(row, params.m - 1u)) * (params.k / 4u) + step]);
    }

    fn loadB(start: u32, k: u32, column: u32) -> vec4f {
      if (k >= params.k) { return vec4f(0.0); }
      let columns = params.n / 4u;
      return vec4f(b[(start + k) * columns + min(column, columns - 1u)]);
    }
  `,
  dispatch: ({ params: { batch, m, n } }, { rows }) =>
    spreadWorkgroups(batch * Math.ceil(n / (4 * SIDE)) * Math.ceil(m / (SIDE * rows))),
  cost: matmulCost,
  efficiency: ({ params: { m, n } }, { rows }, { kind }) =>
    tileWork({ m, n, tileM: SIDE * rows, tileN: 4 * SIDE, kind }),
});
