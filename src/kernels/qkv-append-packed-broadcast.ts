import { qkvAppend } from '../ops/qkv-append.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows } from '../wgsl/packed.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { groupPackedDType, groupSums, loopWork } from './linear-group-call.ts';
import { packedBroadcastLoop } from './linear-group-packed-broadcast.ts';
import { hasSubgroupsOf, range, softwareWork } from './product-work.ts';
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
  tilesPerHead,
} from './qkv-append-call.ts';

/**
 * qkvAppend of packed weights for one vector, on adapters that run on a CPU: as `linear_group_packed_broadcast`, but a lane has
 * `pairs` pairs, and the lanes of a workgroup are within one head of queries, keys or values. At q, k and v of SmolLM2 (lavapipe
 * 25.0.7, processor time) it took 0.54 ms in q8 and 0.43 in q4, where two dispatches took 0.69 and 0.49; 2 pairs took as long, and
 * twice as long to compile. On SwiftShader two dispatches are faster (see `qkv_append_matvec_*`).
 */
export const qkvAppendPackedBroadcast = defineKernel({
  name: 'qkv_append_packed_broadcast',
  op: qkvAppend,
  bindings: qkvAppendBindings,
  params: qkvAppendParams,
  tuning: { lanes: [8, 4], pairs: [1] },
  prepare: prepareQkvAppend({ packed: true }),
  supports(call, { lanes, pairs }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    const supported = supportsPairs(call, pairs);
    if (supported !== true) return supported;
    const perHead = tilesPerHead(call, pairs);
    return perHead % lanes === 0 || `${perHead} tiles of a head are not a multiple of ${lanes} lanes`;
  },
  elements: (shape) => ({ ...vec4Elements(shape, 'x', 'norm'), w0: 'u32', w1: 'u32', w2: 'u32' }),
  wgsl(shape, { lanes, pairs }) {
    const scaled = shape.dtypes.norm ? ' * scale' : '';
    return wgsl`
      ${subgroups}${workgroupIndex}${packedRows(groupPackedDType(shape), 'u32', ['w0', 'w1', 'w2'])}${storePair(shape)}
      const LANES = ${lanes}u;
      const PAIRS = ${pairs}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let first = workgroupIndex(workgroupId, numWorkgroups) * LANES;
        let perHead = params.headDim / (2u * PAIRS);
        if (first >= perHead * (params.heads + 2u * params.kvHeads)) { return; }
        let part = partOf(first / perHead);
        let pair = (first % perHead + lane) * PAIRS;
        let steps = params.k / 4u;
        let blocks = rowBlocks(params.k);
        ${pairStarts(pairs, (row) => `rowStart(${row}, params.k)`)}

        ${groupSums(shape, 2 * pairs).map((name) => `var ${name} = 0.0;`)}
        ${loopOfPart(pairs, (weights) => packedBroadcastLoop(shape, weights, lanes))}
        ${shape.dtypes.norm ? 'let scale = inverseSqrt(subgroupAdd(squares) / f32(params.k) + params.eps);' : ''}
        ${range(pairs).map((p) => `storePair(part, pair + ${p}u, vec2f(sum${2 * p}, sum${2 * p + 1})${scaled});`)}
      }
    `;
  },
  dispatch: (call, { lanes, pairs }) => spreadWorkgroups(qkvTiles(call, pairs) / lanes),
  cost: qkvAppendCost,
  efficiency(call, { lanes, pairs }, { kind }) {
    const { k } = call.params;
    const columns = 2 * pairs;
    const tiles = qkvTiles(call, pairs);
    // A scale is one word, a quarter of a vec4.
    const laneLoads = columns * (call.dtypes.w0 === 'q4' ? 1.25 : 2.25) + 8 / lanes;
    const work = softwareWork({
      tiles: tiles / lanes,
      steps: Math.ceil(k / 32),
      laneLoads,
      uniformLoads: 0,
      multiplyAdds: 32 * columns * 4,
      lanes,
    });
    const step = loopWork(laneLoads, lanes) * (kind === 'software' ? 1 : 20);
    return (step * work) / (tiles * columns * k);
  },
});
