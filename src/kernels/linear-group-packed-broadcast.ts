import { linearGroup } from '../ops/linear-group.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows, VECTORS_PER_WORD } from '../wgsl/packed.ts';
import { subgroups } from '../wgsl/subgroups.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import {
  groupColumns,
  groupPackedDType,
  groupStore,
  groupSums,
  linearGroupBindings,
  linearGroupCost,
  linearGroupParams,
  loopWork,
  preparePackedGroup,
  storeColumns,
  supportsTimes,
  weightName,
} from './linear-group-call.ts';
import { hasSubgroupsOf, range, softwareWork } from './product-work.ts';

/** As `matvecLoop`, of packed weights, by lanes of one subgroup: each adds up columns of its own, whose rows start at a word. */
export function packedBroadcastLoop(shape: KernelShape, weights: readonly string[], lanes: number): string[] {
  const { norm } = shape.dtypes;
  const vectors = VECTORS_PER_WORD[groupPackedDType(shape)];
  const perLane = range(8 / lanes);
  const wordOf = (c: number, v: number): string =>
    `q${c}_${Math.floor(v / vectors)}${v % vectors === 1 ? ' >> 4u' : ''}`;
  const body = [
    ...range(8 / vectors).flatMap((w) =>
      weights.map((weight, c) => `let q${c}_${w} = ${weight}[w${c}_start + b * BLOCK_WORDS + ${w}u];`),
    ),
    '// Past the end of a row the last vector stands in: the weight is zero there.',
    ...perLane.map((p) => `let at${p} = 8u * b + ${p}u * LANES + lane;`),
    ...perLane.map((p) => `let raw${p} = vec4f(x[min(at${p}, steps - 1u)]);`),
    ...(norm ? perLane.map((p) => `squares += select(0.0, dot(raw${p}, raw${p}), at${p} < steps);`) : []),
    ...perLane.map(
      (p) =>
        `let x${p} = raw${p}${norm ? ` * (vec4f(params.offset) + vec4f(norm[min(at${p}, steps - 1u)]))` : ''};`,
    ),
    ...perLane.map((p) => `let own${p} = x${p} * PLACES;`),
    `let zero = -ZERO * subgroupAdd(dot(${perLane.map((p) => `x${p}`).join(' + ')}, vec4f(1.0)));`,
    ...weights.map((_, c) => `var part${c} = zero;`),
    ...range(8).flatMap((v) => [
      `let value${v} = subgroupBroadcast(own${Math.floor(v / lanes)}, ${v % lanes}u);`,
      ...weights.map((_, c) => `part${c} += dot(value${v}, stored(${wordOf(c, v)}));`),
    ]),
    ...weights.map((weight, c) => `sum${c} += part${c} * scaleOf_${weight}(w${c}_start, blocks, b);`),
  ];
  return ['for (var b = 0u; b < blocks; b++) {', ...body.map((line) => `  ${line}`), '}'];
}

/**
 * linearGroup of packed weights for one vector, in the registers of one small subgroup: decoding on adapters that run
 * on a CPU. As `linear_packed_matvec_broadcast`, with the columns of a lane spread over the weights.
 */
export const linearGroupPackedBroadcast = defineKernel({
  name: 'linear_group_packed_broadcast',
  op: linearGroup,
  bindings: linearGroupBindings,
  params: linearGroupParams,
  tuning: { lanes: [8, 4], times: [1, 2] },
  prepare: preparePackedGroup,
  supports(call, { lanes, times }, caps) {
    if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
    return supportsTimes(call, times);
  },
  elements: (shape) => ({ ...vec4Elements(shape, 'x', 'norm'), w0: 'u32', w1: 'u32', w2: 'u32' }),
  wgsl(shape, { lanes, times }) {
    const dtype = groupPackedDType(shape);
    const columns = groupColumns(shape, times);
    const weights = [...new Set(columns.map(({ w }) => weightName(w)))];
    const { norm } = shape.dtypes;
    return wgsl`
      ${subgroups}${workgroupIndex}${packedRows(dtype, 'u32', weights)}${groupStore(shape)}
      const LANES = ${lanes}u;

      @compute @workgroup_size(LANES)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(subgroup_invocation_id) lane: u32,
      ) {
        let first = workgroupIndex(workgroupId, numWorkgroups) * LANES;
        let tiles = params.tiles / ${times}u;
        if (first >= tiles) { return; }
        // Lanes beyond the last tile repeat it.
        let tile = min(first + lane, tiles - 1u);
        let steps = params.k / 4u;
        let blocks = rowBlocks(params.k);
        ${columns.map(({ share, j }, c) => `let w${c}_start = rowStart(tile * ${share}u + ${j}u, params.k);`)}

        ${groupSums(shape, columns.length).map((name) => `var ${name} = 0.0;`)}
        ${packedBroadcastLoop(
          shape,
          columns.map(({ w }) => weightName(w)),
          lanes,
        )}
        ${norm ? 'let scale = inverseSqrt(subgroupAdd(squares) / f32(params.k) + params.eps);' : ''}
        if (first + lane < tiles) {
          ${storeColumns(shape, columns, (c) => (norm ? `sum${c} * scale` : `sum${c}`))}
        }
      }
    `;
  },
  dispatch: ({ params }, { lanes, times }) => spreadWorkgroups(Math.ceil(params.tiles / times / lanes)),
  cost: linearGroupCost,
  efficiency(call, { lanes, times }, { kind }) {
    const { params, dtypes } = call;
    const columns = groupColumns(call, times).length;
    const tiles = params.tiles / times;
    // A scale is one word, a quarter of a vec4.
    const laneLoads = columns * (dtypes.w0 === 'q4' ? 1.25 : 2.25) + 8 / lanes;
    const work = softwareWork({
      tiles: Math.ceil(tiles / lanes),
      steps: Math.ceil(params.k / 32),
      laneLoads,
      uniformLoads: 0,
      multiplyAdds: 32 * columns * 4,
      lanes,
    });
    const step = loopWork(laneLoads, lanes) * (kind === 'software' ? 1 : 20);
    return (step * work) / (tiles * columns * params.k);
  },
});
