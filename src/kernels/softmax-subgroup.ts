import { softmax } from '../ops/softmax.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import { hasSubgroupsOf } from './product-work.ts';
import { prepareSoftmax, softmaxCost } from './softmax-row.ts';

/**
 * Row softmax by one subgroup a row: `softmax_row` without barriers and workgroup memory.
 * The online maximum moves once for each vector, so four exponentials need a fifth and not a second each.
 * Accumulates in f32. x [rows, cols] f32|f16 → y same.
 *
 * Least CPU time of 5 runs on a busy machine in ms, `softmax_row` with a workgroup of 8 and then this: 1024×1024 on
 * lavapipe 18 and 6.6, on SwiftShader 76 and 27; 2364×197, float by float, 7.5 and 6.9, 59 and 33.
 *
 * Two reads and a write without arithmetic take 3.2 of its 5.1 ms at 1024×1024 on lavapipe and 15 of 21 on SwiftShader, a copy
 * 1.8 and 9.6: a third to half of a copy's speed is what the adapters' loads allow. Tried, in turns with this: a sum counted
 * from the first vectors' maximum, 4.7 and 24 ms; four vectors a turn, 4.2 for 4.4 and 23 for 23; the row held by number in
 * registers, 4.4 for 5.7 but 12 KB of code for each 256 columns; held in an array, 5.4 and 19; y stored once and scaled in
 * place, 5.6 and 29.
 */
export const softmaxSubgroup = defineKernel({
  name: 'softmax_subgroup',
  op: softmax,
  bindings: { x: 'read', y: 'write' },
  params: { rows: 'u32', cols: 'u32' },
  tuning: { lanes: [8, 4, 32], vec: [4, 1] },
  prepare: prepareSoftmax,
  supports({ params }, { lanes, vec }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    return params.cols % vec === 0 || `${params.cols} columns are not a multiple of vec ${vec}`;
  },
  elements: (shape, { vec }) => (vec === 4 ? vec4Elements(shape, 'x', 'y') : {}),
  wgsl({ dtypes }, { lanes, vec }) {
    const float = vec === 4 ? 'vec4f' : 'f32';
    const stored = vec === 4 ? `vec4<${dtypes.y}>` : (dtypes.y ?? 'f32');
    return wgsl`
      ${subgroups}${workgroupIndex}
      const LANES = ${lanes}u;
      // Finite, so that a wholly masked row gives exp(0) * 0 rather than NaN.
      const LOWEST = -3.4028234e38;

      fn largest(value: ${float}) -> f32 {
        return ${vec === 4 ? 'max(max(value.x, value.y), max(value.z, value.w))' : 'value'};
      }

      fn total(value: ${float}) -> f32 {
        return ${vec === 4 ? 'dot(value, vec4f(1.0))' : 'value'};
      }

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let row = workgroupIndex(workgroupId, numWorkgroups);
        if (row >= params.rows) { return; }
        let vectors = params.cols / ${vec}u;
        let start = row * vectors;

        var laneMax = LOWEST;
        var laneSum = 0.0;
        for (var c = lane; c < vectors; c += LANES) {
          let value = max(${float}(x[start + c]), ${float}(LOWEST));
          let newMax = max(laneMax, largest(value));
          laneSum = laneSum * exp(laneMax - newMax) + total(exp(value - newMax));
          laneMax = newMax;
        }
        let rowMax = subgroupMax(laneMax);
        let scale = 1.0 / subgroupAdd(laneSum * exp(laneMax - rowMax));

        for (var c = lane; c < vectors; c += LANES) {
          y[start + c] = ${stored}(exp(${float}(x[start + c]) - rowMax) * scale);
        }
      }
    `;
  },
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost: softmaxCost,
  efficiency(_call, { vec }, { kind }) {
    // A GPU has more use for a workgroup per row, where rows are few or long.
    const scalar = vec === 4 ? 1 : 2.5;
    return scalar * (kind === 'software' ? 0.3 : 4);
  },
});
