import { qkvAppend } from '../ops/qkv-append.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows } from '../wgsl/packed.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { addOverThreads, groupPackedDType, groupSums, totalOf } from './linear-group-call.ts';
import { packedMatvecLoop } from './linear-group-packed-matvec.ts';
import { range } from './product-work.ts';
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
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory } from './thread-sum.ts';

/**
 * qkvAppend of packed weights for one vector, for GPUs: as `linear_group_packed_matvec_*`, with the pairs of a head as in
 * `qkv_append_matvec_*`. Not yet timed on a GPU.
 */
function qkvAppendPackedMatvec(name: string, sum: ThreadSum): Kernel {
  return defineKernel({
    name,
    op: qkvAppend,
    bindings: qkvAppendBindings,
    params: qkvAppendParams,
    tuning: { workgroupSize: [64], pairs: [1] },
    prepare: prepareQkvAppend({ packed: true }),
    supports(call, { pairs }, { features }) {
      if (sum.builtin !== '' && !features.subgroups) return 'the adapter has no subgroups';
      return supportsPairs(call, pairs);
    },
    elements: (shape) => ({
      ...vec4Elements(shape, 'x', 'norm'),
      w0: 'vec4<u32>',
      w1: 'vec4<u32>',
      w2: 'vec4<u32>',
    }),
    wgsl(shape, { workgroupSize, pairs }) {
      const columns = 2 * pairs;
      const sumsOf = (p: number): string => `vec2f(${totalOf(2 * p)}, ${totalOf(2 * p + 1)})`;
      return wgsl`
        ${workgroupIndex}${packedRows(groupPackedDType(shape), 'vec4', ['w0', 'w1', 'w2'])}${sum.snippet(workgroupSize)}${storePair(shape)}
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
          let blocks = rowBlocks(params.k);
          ${pairStarts(pairs, (row) => `rowStart(${row}, params.k)`)}

          ${groupSums(shape, columns).map((name) => `var ${name} = 0.0;`)}
          ${loopOfPart(pairs, (weights) => packedMatvecLoop(shape, weights))}
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
      const units = Math.ceil(call.params.k / 32) * (call.dtypes.w0 === 'q4' ? 1 : 2);
      const idle = (Math.ceil(units / workgroupSize) * workgroupSize) / units;
      // A barrier is a coroutine switch on a CPU.
      return idle + 2 / pairs + (kind === 'software' ? 20 : 0);
    },
  });
}

export const qkvAppendPackedMatvecSubgroup = qkvAppendPackedMatvec(
  'qkv_append_packed_matvec_subgroup',
  throughSubgroups,
);
export const qkvAppendPackedMatvecWorkgroup = qkvAppendPackedMatvec(
  'qkv_append_packed_matvec_workgroup',
  throughWorkgroupMemory,
);
