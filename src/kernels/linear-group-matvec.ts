import { linearGroup } from '../ops/linear-group.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import {
  finishGroup,
  groupColumns,
  groupStore,
  groupSums,
  linearGroupBindings,
  linearGroupCost,
  linearGroupParams,
  loopWork,
  prepareFloatGroup,
  supportsTimes,
  weightName,
} from './linear-group-call.ts';
import { hasSubgroupsOf, LARGE_WORKGROUP, softwareWork } from './product-work.ts';
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory, withinSubgroup } from './thread-sum.ts';

/**
 * Adds one thread's part of each column to `groupSums`: column c is of the weight `weights[c]`, and its row starts at
 * `w<c>_start`, in vectors of four.
 */
export const matvecLoop = ({ dtypes }: KernelShape, weights: readonly string[]): string[] => [
  'for (var k = thread; k < steps; k += WORKGROUP_SIZE) {',
  ...(dtypes.norm
    ? [
        '  let raw = vec4f(x[k]);',
        '  squares += dot(raw, raw);',
        '  let value = raw * (vec4f(params.offset) + vec4f(norm[k]));',
      ]
    : ['  let value = vec4f(x[k]);']),
  ...weights.map((weight, c) => `  sum${c} += dot(value, vec4f(${weight}[w${c}_start + k]));`),
  '}',
];

/** As in `linear_matvec_*`: what barriers cost a CPU within one SIMD vector of lanes. */
const ONE_VECTOR = 1.3;

/**
 * linearGroup of float weights for one vector: as `linear_matvec_*`, with the columns of a workgroup spread over the
 * weights. The scale of an RMS norm is one number per vector, so it multiplies the finished sums; the sum of squares it
 * takes is one more of them.
 *
 *     x [k]              thread 0   thread 1   ...
 *     share of w0        │ k 0..3  │ k 4..7  │ ... │     q, k and v of 3 query heads a kv head: columns 3 : 1 : 1;
 *     share of w1        │         │         │     │     gate and up: 1 : 1. `times` takes as many tiles as one.
 *     share of w2        │         │         │     │
 */
function groupMatvec(name: string, sum: ThreadSum, workgroupSizes: readonly number[]): Kernel {
  return defineKernel({
    name,
    op: linearGroup,
    bindings: linearGroupBindings,
    params: linearGroupParams,
    tuning: { workgroupSize: workgroupSizes, times: [1, 2] },
    prepare: prepareFloatGroup,
    supports(call, { workgroupSize, times }, caps) {
      if (sum === throughSubgroups && !caps.features.subgroups) return 'the adapter has no subgroups';
      if (sum === withinSubgroup && !hasSubgroupsOf(workgroupSize, caps))
        return `the adapter's subgroups are not of ${workgroupSize}`;
      return supportsTimes(call, times);
    },
    elements: (shape) => vec4Elements(shape, 'x', 'norm', 'w0', 'w1', 'w2'),
    wgsl(shape, { workgroupSize, times }) {
      const columns = groupColumns(shape, times);
      return wgsl`
        ${workgroupIndex}${sum.snippet(workgroupSize)}${groupStore(shape)}
        const WORKGROUP_SIZE = ${workgroupSize}u;

        @compute @workgroup_size(WORKGROUP_SIZE)
        fn main(
          @builtin(workgroup_id) workgroupId: vec3u,
          @builtin(num_workgroups) numWorkgroups: vec3u,
          @builtin(local_invocation_index) thread: u32,
          ${sum.builtin}
        ) {
          let tile = workgroupIndex(workgroupId, numWorkgroups);
          if (tile * ${times}u >= params.tiles) { return; }
          let steps = params.k / 4u;
          ${columns.map(({ share, j }, c) => `let w${c}_start = (tile * ${share}u + ${j}u) * steps;`)}

          ${groupSums(shape, columns.length).map((name) => `var ${name} = 0.0;`)}
          ${matvecLoop(
            shape,
            columns.map(({ w }) => weightName(w)),
          )}
          ${finishGroup(shape, columns, sum, (c) => c % workgroupSize)}
        }
      `;
    },
    dispatch: ({ params }, { times }) => spreadWorkgroups(params.tiles / times),
    cost: linearGroupCost,
    efficiency(call, { workgroupSize, times }, { kind }) {
      const { params } = call;
      const columns = groupColumns(call, times).length;
      const tiles = params.tiles / times;
      if (kind !== 'software') return 1 + workgroupSize / params.k + 4 / columns;
      const laneLoads = columns + ('norm' in call.dtypes ? 2 : 1);
      const work = softwareWork({
        tiles,
        steps: Math.ceil(params.k / 4 / workgroupSize),
        laneLoads,
        uniformLoads: 0,
        multiplyAdds: 4 * columns,
        lanes: workgroupSize,
      });
      // Barriers between the vectors of a large workgroup are coroutine switches on a CPU.
      const switching = sum === withinSubgroup ? 1 : workgroupSize > 8 ? LARGE_WORKGROUP : ONE_VECTOR;
      return (switching * loopWork(laneLoads, workgroupSize) * work) / (tiles * columns * params.k);
    },
  });
}

export const linearGroupMatvecLanes = groupMatvec('linear_group_matvec_lanes', withinSubgroup, [8, 4]);
export const linearGroupMatvecSubgroup = groupMatvec(
  'linear_group_matvec_subgroup',
  throughSubgroups,
  [64, 8],
);
export const linearGroupMatvecWorkgroup = groupMatvec(
  'linear_group_matvec_workgroup',
  throughWorkgroupMemory,
  [64, 8],
);
