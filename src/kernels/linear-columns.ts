import { linear } from '../ops/linear.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { linearBindings, linearCost, linearParams, linearStore, prepareLinear } from './linear-call.ts';

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/**
 * linear with registers alone: an invocation owns one column of y (one row of the weight) and `rows` rows of it.
 * x is read at the same address by all lanes, the weight once per lane for all its rows.
 */
export const linearColumns = defineKernel({
  name: 'linear_columns',
  op: linear,
  bindings: linearBindings,
  params: linearParams,
  tuning: { workgroupSize: [8, 64], rows: [1, 4, 8], vec: [4, 1] },
  prepare: prepareLinear,
  supports: ({ params }, t) =>
    params.k % t.vec === 0 || `${params.k} features are not a multiple of vec ${t.vec}`,
  elements: ({ dtypes }, t) =>
    t.vec === 4 ? { x: `vec4<${dtypes.x}>`, weight: `vec4<${dtypes.weight}>` } : {},
  wgsl(shape, t) {
    const type = t.vec === 4 ? 'vec4f' : 'f32';
    const dot =
      t.vec === 4 ? (i: number) => `dot(${type}(x[x${i} + i]), w)` : (i: number) => `f32(x[x${i} + i]) * w`;
    return wgsl`
      ${workgroupIndex}${linearStore(shape)}
      const WORKGROUP_SIZE = ${t.workgroupSize}u;
      const ROWS = ${t.rows}u;

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroup: vec3u,
        @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        let columnTiles = (params.n + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
        let tile = workgroupIndex(workgroup, workgroups);
        let row = (tile / columnTiles) * ROWS;
        let column = (tile % columnTiles) * WORKGROUP_SIZE + thread;
        if (row >= params.m || column >= params.n) { return; }

        let steps = params.k / ${t.vec}u;
        let start = column * steps;
        ${indices(t.rows).map((i) => `let x${i} = min(row + ${i}u, params.m - 1u) * steps;`)}
        ${indices(t.rows).map((i) => `var sum${i} = 0.0;`)}
        for (var i = 0u; i < steps; i++) {
          let w = ${type}(weight[start + i]);
          ${indices(t.rows).map((i) => `sum${i} += ${dot(i)};`)}
        }
        ${indices(t.rows).map((i) => `if (row + ${i}u < params.m) { store(sum${i}, row + ${i}u, column); }`)}
      }
    `;
  },
  dispatch: ({ params }, t) =>
    spreadWorkgroups(Math.ceil(params.n / t.workgroupSize) * Math.ceil(params.m / t.rows)),
  cost: linearCost,
});
