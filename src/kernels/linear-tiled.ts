import { isPacked } from '../core/dtype.ts';
import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedVector } from '../wgsl/packed.ts';
import { type Snippet, wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  MATVEC_ROWS,
  packedDType,
  prepareAnyLinear,
  vec4Elements,
} from './linear-call.ts';
import { tileWork } from './product-work.ts';

/** `plainVector(row, columns, step)`: elements 4 step to 4 step + 3 of a row of a float weight. */
const plainVector: Snippet = {
  name: 'plainVector',
  code: `
    fn plainVector(row: u32, columns: u32, step: u32) -> vec4f {
      return vec4f(weight[row * (columns / 4u) + step]);
    }
  `,
};

const isPackedShape = ({ dtypes }: KernelShape): boolean => isPacked(dtypes.weight ?? 'f32');

/** Threads along each side of a workgroup, and columns of each thread. */
const SIDE = 16;
const COLUMNS = 4;
/** In vec4: what a step stages of a row, and the distance between rows. */
const DEPTH = 4;
const STRIDE = DEPTH + 1;

/**
 * linear through workgroup memory, for GPUs: 16 × 16 threads make a tile of (16 × rows) × 64.
 *
 *            weightTile, 64 rows of the weight          A step stages 16 of k: 4 vec4 of each row of x and of the
 *                 ┌───────────────┐                     weight, both contiguous along k, so neither is transposed.
 *     xTile       │ t  t+16  ...  │                     Thread (s, t) owns rows s + 16 i and columns t + 16 j:
 *     ┌──┐        ├───────────────┤                     neighbours store side by side, and a row of 4 + 1 vec4
 *     │  │  s     │ sums[i][j]    │                     keeps the 8 threads that read together in 8 × 4 different
 *     └──┘        └───────────────┘                     banks of 32.
 *
 * Blocking as in Volkov & Demmel 2008 and CUTLASS: 8 × 4 sums per thread give 32 multiply-adds for 12 floats read. With two
 * buffers a step is multiplied while the next is staged, behind one barrier for two; which is faster, `tessera tune` measures.
 * Not for CPU adapters, where a barrier is a coroutine switch and workgroup memory is no faster than any other.
 */
export const linearTiled = defineKernel({
  name: 'linear_tiled',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { rows: [4, 8], buffers: [1, 2] },
  prepare: prepareAnyLinear,
  supports({ params }, { rows, buffers }, { limits }) {
    if (limits.maxComputeInvocationsPerWorkgroup < SIDE * SIDE)
      return `workgroup of ${SIDE * SIDE} is too large`;
    const bytes = 16 * STRIDE * SIDE * (rows + COLUMNS) * buffers;
    if (bytes > limits.maxComputeWorkgroupStorageSize)
      return `${bytes} bytes of workgroup memory are over the adapter's ${limits.maxComputeWorkgroupStorageSize}`;
    if (params.m <= MATVEC_ROWS) return `${params.m} rows would leave most of a tile idle`;
    return params.k % 4 === 0 || `${params.k} features are not a multiple of 4`;
  },
  elements: (shape) => ({
    ...vec4Elements(shape, 'x', 'weight'),
    ...(isPackedShape(shape) && { weight: 'u32' }),
  }),
  wgsl: (shape, { rows, buffers }) => wgsl`
    ${workgroupIndex}${linearStore(shape, 1)}${isPackedShape(shape) ? packedVector(packedDType(shape)) : plainVector}
    const SIDE = ${SIDE}u;
    const THREADS = SIDE * SIDE;
    const ROWS = ${rows}u;
    const COLUMNS = ${COLUMNS}u;
    const TILE_ROWS = ROWS * SIDE;
    const TILE_COLUMNS = COLUMNS * SIDE;
    const DEPTH = ${DEPTH}u;
    const STRIDE = ${STRIDE}u;
    const BUFFERS = ${buffers}u;

    var<workgroup> xTile: array<vec4f, BUFFERS * TILE_ROWS * STRIDE>;
    var<workgroup> weightTile: array<vec4f, BUFFERS * TILE_COLUMNS * STRIDE>;

    @compute @workgroup_size(THREADS)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let rowTiles = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
      let tile = workgroupIndex(workgroupId, numWorkgroups);
      let firstRow = (tile % rowTiles) * TILE_ROWS;
      let firstColumn = (tile / rowTiles) * TILE_COLUMNS;
      if (firstColumn >= params.n) { return; }
      let s = thread / SIDE;
      let t = thread % SIDE;
      let steps = params.k / 4u;

      var sums: array<vec4f, ROWS>;
      ${buffers === 2 ? 'stage(thread, firstRow, firstColumn, 0u);' : []}
      for (var step = 0u; step < steps; step += DEPTH) {
        ${
          buffers === 2
            ? ['workgroupBarrier();', 'stage(thread, firstRow, firstColumn, step + DEPTH);']
            : ['stage(thread, firstRow, firstColumn, step);', 'workgroupBarrier();']
        }
        let xStart = bufferOf(step) * TILE_ROWS + s;
        let weightStart = bufferOf(step) * TILE_COLUMNS + t;
        for (var k = 0u; k < DEPTH; k++) {
          let columns = mat4x4f(
            weightTile[weightStart * STRIDE + k],
            weightTile[(weightStart + SIDE) * STRIDE + k],
            weightTile[(weightStart + 2u * SIDE) * STRIDE + k],
            weightTile[(weightStart + 3u * SIDE) * STRIDE + k],
          );
          for (var i = 0u; i < ROWS; i++) {
            sums[i] += xTile[(xStart + i * SIDE) * STRIDE + k] * columns;
          }
        }
        ${buffers === 1 ? 'workgroupBarrier();' : []}
      }

      for (var i = 0u; i < ROWS; i++) {
        let row = firstRow + s + i * SIDE;
        for (var j = 0u; j < COLUMNS; j++) {
          let column = firstColumn + t + j * SIDE;
          if (row < params.m && column < params.n) { store(sums[i][j], row, column); }
        }
      }
    }

    fn bufferOf(step: u32) -> u32 { return step / DEPTH % BUFFERS; }

    // Both tiles of a step; past the last step they are zeros that nobody reads.
    fn stage(thread: u32, firstRow: u32, firstColumn: u32, step: u32) {
      let xStart = bufferOf(step) * TILE_ROWS;
      let weightStart = bufferOf(step) * TILE_COLUMNS;
      for (var i = thread; i < TILE_ROWS * DEPTH; i += THREADS) {
        let at = (xStart + i / DEPTH) * STRIDE + i % DEPTH;
        xTile[at] = loadX(firstRow + i / DEPTH, step + i % DEPTH);
      }
      for (var i = thread; i < TILE_COLUMNS * DEPTH; i += THREADS) {
        let at = (weightStart + i / DEPTH) * STRIDE + i % DEPTH;
        weightTile[at] = loadWeight(firstColumn + i / DEPTH, step + i % DEPTH);
      }
    }

    // Rows past the end repeat the last one, and are never stored; past the end of k there are zeros.
    fn loadX(row: u32, step: u32) -> vec4f {
      if (step >= params.k / 4u) { return vec4f(0.0); }
      return vec4f(x[min(row, params.m - 1u) * (params.k / 4u) + step]);
    }

    fn loadWeight(column: u32, step: u32) -> vec4f {
      if (step >= params.k / 4u) { return vec4f(0.0); }
      return ${isPackedShape(shape) ? 'packedVector' : 'plainVector'}(min(column, params.n - 1u), params.k, step);
    }
  `,
  dispatch: ({ params: { m, n } }, { rows }) =>
    spreadWorkgroups(Math.ceil(n / (SIDE * COLUMNS)) * Math.ceil(m / (SIDE * rows))),
  cost: linearCost,
  efficiency: ({ params: { m, n } }, { rows }, { kind }) =>
    tileWork({ m, n, tileM: SIDE * rows, tileN: SIDE * COLUMNS, kind }),
});
