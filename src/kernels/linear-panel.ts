import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import {
  linearBindings,
  linearCost,
  linearParams,
  linearStore,
  prepareLinear,
  vec4Elements,
} from './linear-call.ts';
import { panelOf, panelRows, panelSums, panelTiles, panelWork, supportsPanel } from './panel-tile.ts';
import { range } from './product-work.ts';

/**
 * linear of many rows, for adapters that run on a CPU.
 *
 *       panel: `depth` steps of k for the lanes' columns, read once for up to 256 rows
 *      ┌──────────┐
 *  x   │ one row  │   A row of x meets it at a time: loads of x are handed round, factors of the panel come from the
 *      │    ·     │   lane's own stack at a known place, and the sums of this row alone are in registers. Between
 *      └──────────┘   panels they wait in y.
 *
 * `linear_broadcast` loads six vec4 for 256 multiply-adds of a lane, this three, and stores one. Its sums are few, so
 * nothing moves between registers and the stack, and none is carried through a loop, where lavapipe masks every one.
 *
 * ms of CPU time, least of five in turns on a busy machine, `*_broadcast` and this; an FMA loop made 33 GFLOP/s of CPU
 * time on lavapipe 25.0.7 and 14 on SwiftShader, there with panels of 128 steps:
 *
 *                              lavapipe                      SwiftShader
 *     matmul 512×512×512       27 and 19: 44 % of the peak   91 and 73: 26 %
 *     linear 197×768×768       30 and 15: 45 %               94 and 63: 26 %
 *     linear 197×192×192       1.8 and 1.2                   6.3 and 5.4
 *     linear 32×576×576        2.2 and 1.9, 2.4 and 3.0      8.0 and 8.8
 *     linear 16×768×768        1.9 and 2.9
 *
 * A bias is what sums begin with. An activation or a residual costs a pass over y at the end, so models on a CPU have these in
 * nodes of their own (`linear-apart`), and all their products share two texts.
 *
 * To compile takes lavapipe 1.1 s for 0.8, SwiftShader less than before. What is left: on lavapipe 40 % are multiply-adds
 * at their peak, the rest loads and stores. On SwiftShader 40 % are loads of x; the multiply-adds, at their peak with one
 * vector a lane, take twice that with two, with four moves each, since its registers run out.
 */
export const linearPanel = defineKernel({
  name: 'linear_panel',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { lanes: [8, 4] },
  prepare: prepareLinear,
  supports: ({ params, dtypes }, t, caps) => supportsPanel(params, t, caps, dtypes),
  elements: (shape) => vec4Elements(shape, 'x', 'weight', 'bias', 'residual', 'y'),
  wgsl(shape, t) {
    const { vectors } = panelOf(t);
    return wgsl`
      ${subgroups}${workgroupIndex}${panelRows}${linearStore(shape, 4)}
      const LANES = ${t.lanes}u;
      // Of a lane, each of 4 columns, LANES vectors apart.
      const VECTORS = ${vectors}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        // Columns are counted in vectors of 4.
        let columns = params.n / 4u;
        let tileRows = panelRows(params.m);
        let rowTiles = (params.m + tileRows - 1u) / tileRows;
        let tile = workgroupIndex(workgroupId, numWorkgroups);
        let firstRow = (tile % rowTiles) * tileRows;
        let endRow = min(firstRow + tileRows, params.m);
        let firstColumn = (tile / rowTiles) * LANES * VECTORS;
        if (firstColumn >= columns) { return; }
        ${range(vectors).map((v) => `let column${v} = firstColumn + ${v}u * LANES + lane;`)}

        ${panelSums(t, {
          streamed: (row, step) => `vec4f(x[${row} * steps + ${step}])`,
          held: (column, step, part) => `vec4f(weight[(4u * ${column} + ${part}) * steps + ${step}])`,
          factor: (k, column) => [column, k],
          at: (row, column) => `${row} * columns + ${column}`,
          added: isFinished(shape) && shape.dtypes.bias ? (column) => `vec4f(bias[${column}])` : undefined,
        })}
        ${finish(shape, vectors)}
      }
    `;
  },
  dispatch: ({ params }, t) => spreadWorkgroups(panelTiles(params, t)),
  cost: linearCost,
  efficiency: ({ params }, t, caps) => panelWork(params, t, caps),
});

/** Whether sums that began with the bias are all there is to do. */
const isFinished = ({ dtypes, variant }: KernelShape): boolean =>
  !dtypes.residual && variant.activation === 'none';

/** What follows a sum, in a loop of its own: a condition in the other would only mask it, and it would run every time. */
function finish(shape: KernelShape, vectors: number): readonly string[] {
  if (isFinished(shape)) return [];
  return [
    'for (var row = firstRow; row < endRow; row++) {',
    ...range(vectors).map(
      (v) => `  if (column${v} < columns) { store(y[row * columns + column${v}], row, 4u * column${v}); }`,
    ),
    '}',
  ];
}
