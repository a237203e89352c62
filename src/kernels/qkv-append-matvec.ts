import { qkvAppend } from '../ops/qkv-append.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { addOverThreads, groupSums, loopWork, totalOf } from './linear-group-call.ts';
import { matvecLoop } from './linear-group-matvec.ts';
import { hasSubgroupsOf, LARGE_WORKGROUP, range, softwareWork } from './product-work.ts';
import {
  loopOfPart,
  pairStarts,
  prepareQkvAppend,
  qkvAppendBindings,
  qkvAppendCost,
  qkvAppendParams,
  qkvTiles,
  storePair,
  supportsPairs,
} from './qkv-append-call.ts';
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory, withinSubgroup } from './thread-sum.ts';

/**
 * qkvAppend of float weights for one vector: as `linear_group_matvec_*`, but a workgroup has `pairs` pairs of one head of
 * queries, keys or values, so that whoever has their sums turns them and puts them where they belong.
 *
 *     x [k]                          thread 0   thread 1   ...
 *     row i of the head              │ k 0..3  │ k 4..7  │ ... │ ┐ a pair, times cos and sin of its
 *     row i + R/2, or the next one   │         │         │     │ ┘ position → q, keys or values
 *     ... of `pairs` pairs           │         │         │     │
 *
 * At q, k and v of SmolLM2 (f32, lavapipe 25.0.7, processor time) 2 pairs took 1.11 ms where the group took 1.11 and its rope
 * 0.06; 4 pairs took 1.42 and three times as long to compile. SwiftShader, whose lanes are 4, goes through the loop of each weight
 * once at least and was slower than with two dispatches.
 */
function qkvAppendMatvec(name: string, sum: ThreadSum, workgroupSizes: readonly number[]): Kernel {
  return defineKernel({
    name,
    op: qkvAppend,
    bindings: qkvAppendBindings,
    params: qkvAppendParams,
    tuning: { workgroupSize: workgroupSizes, pairs: [2] },
    prepare: prepareQkvAppend({ packed: false }),
    supports(call, { workgroupSize, pairs }, caps) {
      if (sum === throughSubgroups && !caps.features.subgroups) return 'the adapter has no subgroups';
      if (sum === withinSubgroup && !hasSubgroupsOf(workgroupSize, caps))
        return `the adapter's subgroups are not of ${workgroupSize}`;
      return supportsPairs(call, pairs);
    },
    elements: (shape) => vec4Elements(shape, 'x', 'norm', 'w0', 'w1', 'w2'),
    wgsl(shape, { workgroupSize, pairs }) {
      const columns = 2 * pairs;
      const sumsOf = (p: number): string => `vec2f(${totalOf(2 * p)}, ${totalOf(2 * p + 1)})`;
      return wgsl`
        ${workgroupIndex}${sum.snippet(workgroupSize)}${storePair(shape)}
        const WORKGROUP_SIZE = ${workgroupSize}u;
        const PAIRS = ${pairs}u;

        @compute @workgroup_size(WORKGROUP_SIZE)
        fn main(
          @builtin(workgroup_id) workgroupId: vec3u,
          @builtin(num_workgroups) numWorkgroups: vec3u,
          @builtin(local_invocation_index) thread: u32,
          ${sum.builtin}
        ) {
          let tile = workgroupIndex(workgroupId, numWorkgroups);
          let perHead = params.headDim / (2u * PAIRS);
          if (tile >= perHead * (params.heads + 2u * params.kvHeads)) { return; }
          let part = partOf(tile / perHead);
          let pair = tile % perHead * PAIRS;
          let steps = params.k / 4u;
          ${pairStarts(pairs, (row) => `${row} * steps`)}

          ${groupSums(shape, columns).map((name) => `var ${name} = 0.0;`)}
          ${loopOfPart(pairs, (weights) => matvecLoop(shape, weights))}
          ${addOverThreads(shape, columns, sum)}
          var own = ${sumsOf(0)};
          ${range(pairs - 1).map((p) => `if (thread == ${p + 1}u) { own = ${sumsOf(p + 1)}; }`)}
          if (thread < PAIRS) { storePair(part, pair + thread, own${shape.dtypes.norm ? ' * scale' : ''}); }
        }
      `;
    },
    dispatch: (call, { pairs }) => spreadWorkgroups(qkvTiles(call, pairs)),
    cost: qkvAppendCost,
    efficiency(call, { workgroupSize, pairs }, { kind }) {
      const { k } = call.params;
      const columns = 2 * pairs;
      if (kind !== 'software') return 1 + workgroupSize / k + 4 / columns;
      const laneLoads = columns + ('norm' in call.dtypes ? 2 : 1);
      const tiles = qkvTiles(call, pairs);
      const work = softwareWork({
        tiles,
        steps: Math.ceil(k / 4 / workgroupSize),
        laneLoads,
        uniformLoads: 0,
        multiplyAdds: 4 * columns,
        lanes: workgroupSize,
      });
      const switching = sum === withinSubgroup ? 1 : LARGE_WORKGROUP;
      return (switching * loopWork(laneLoads, workgroupSize) * work) / (tiles * columns * k);
    },
  });
}

export const qkvAppendMatvecLanes = qkvAppendMatvec('qkv_append_matvec_lanes', withinSubgroup, [8, 4]);
export const qkvAppendMatvecSubgroup = qkvAppendMatvec('qkv_append_matvec_subgroup', throughSubgroups, [64]);
export const qkvAppendMatvecWorkgroup = qkvAppendMatvec(
  'qkv_append_matvec_workgroup',
  throughWorkgroupMemory,
  [64],
);
