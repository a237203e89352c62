import { linearGroup } from '../ops/linear-group.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { packedRows, VECTORS_PER_WORD } from '../wgsl/packed.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, type Kernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import { vec4Elements } from './linear-call.ts';
import {
  finishGroup,
  groupColumns,
  groupPackedDType,
  groupStore,
  groupSums,
  linearGroupBindings,
  linearGroupCost,
  linearGroupParams,
  preparePackedGroup,
  supportsTimes,
  weightName,
} from './linear-group-call.ts';
import { range } from './product-work.ts';
import { type ThreadSum, throughSubgroups, throughWorkgroupMemory } from './thread-sum.ts';

/** As `matvecLoop`, of packed weights: rows start at a word, four words are a unit of a thread's work. */
export function packedMatvecLoop(shape: KernelShape, weights: readonly string[]): string[] {
  const dtype = groupPackedDType(shape);
  const vectors = 4 * VECTORS_PER_WORD[dtype];
  const { norm } = shape.dtypes;
  const wordOf = (c: number, v: number): string =>
    dtype === 'q8' ? `q${c}[${v}]` : `q${c}[${Math.floor(v / 2)}]${v % 2 === 1 ? ' >> 4u' : ''}`;
  const body = [
    'let b = unit * 4u / BLOCK_WORDS;',
    ...weights.map((weight, c) => `let q${c} = ${weight}[w${c}_start / 4u + unit];`),
    ...weights.map((_, c) => `var part${c} = 0.0;`),
    'var zero = vec4f();',
    ...range(vectors).flatMap((v) => [
      '{',
      `  let at = unit * ${vectors}u + ${v}u;`,
      '  // Past the end of a row the last vector stands in: the weight is zero there.',
      '  let k = min(at, steps - 1u);',
      '  let raw = vec4f(x[k]);',
      ...(norm ? ['  squares += select(0.0, dot(raw, raw), at < steps);'] : []),
      `  let value = raw${norm ? ' * (vec4f(params.offset) + vec4f(norm[k]))' : ''};`,
      '  zero += value;',
      '  let placed = value * PLACES;',
      ...weights.map((_, c) => `  part${c} += dot(placed, stored(${wordOf(c, v)}));`),
      '}',
    ]),
    'let taken = ZERO * dot(zero, vec4f(1.0));',
    ...weights.map(
      (weight, c) => `sum${c} += (part${c} - taken) * scaleOf_${weight}(w${c}_start, blocks, b);`,
    ),
  ];
  return [
    'for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {',
    ...body.map((line) => `  ${line}`),
    '}',
  ];
}

/**
 * linearGroup of packed weights for one vector, for GPUs: as `linear_packed_matvec_*`, with the columns of a workgroup
 * spread over the weights, and the norm as in `linear_group_matvec_*`. Not yet timed on a GPU.
 */
function groupPackedMatvec(name: string, sum: ThreadSum): Kernel {
  return defineKernel({
    name,
    op: linearGroup,
    bindings: linearGroupBindings,
    params: linearGroupParams,
    tuning: { workgroupSize: [64], times: [1] },
    prepare: preparePackedGroup,
    supports(call, { times }, { features }) {
      if (sum.builtin !== '' && !features.subgroups) return 'the adapter has no subgroups';
      return supportsTimes(call, times);
    },
    elements: (shape) => ({
      ...vec4Elements(shape, 'x', 'norm'),
      w0: 'vec4<u32>',
      w1: 'vec4<u32>',
      w2: 'vec4<u32>',
    }),
    wgsl(shape, { workgroupSize, times }) {
      const dtype = groupPackedDType(shape);
      const columns = groupColumns(shape, times);
      const weights = [...new Set(columns.map(({ w }) => weightName(w)))];
      return wgsl`
        ${workgroupIndex}${packedRows(dtype, 'vec4', weights)}${sum.snippet(workgroupSize)}${groupStore(shape)}
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
          let blocks = rowBlocks(params.k);
          ${columns.map(({ share, j }, c) => `let w${c}_start = rowStart(tile * ${share}u + ${j}u, params.k);`)}

          ${groupSums(shape, columns.length).map((name) => `var ${name} = 0.0;`)}
          ${packedMatvecLoop(
            shape,
            columns.map(({ w }) => weightName(w)),
          )}
          ${finishGroup(shape, columns, sum, (c) => c)}
        }
      `;
    },
    dispatch: ({ params }, { times }) => spreadWorkgroups(params.tiles / times),
    cost: linearGroupCost,
    efficiency(call, { workgroupSize, times }, { kind }) {
      const units = Math.ceil(call.params.k / 32) * (call.dtypes.w0 === 'q4' ? 1 : 2);
      const idle = (Math.ceil(units / workgroupSize) * workgroupSize) / units;
      // A barrier is a coroutine switch on a CPU.
      return idle + 4 / groupColumns(call, times).length + (kind === 'software' ? 20 : 0);
    },
  });
}

export const linearGroupPackedMatvecSubgroup = groupPackedMatvec(
  'linear_group_packed_matvec_subgroup',
  throughSubgroups,
);
export const linearGroupPackedMatvecWorkgroup = groupPackedMatvec(
  'linear_group_packed_matvec_workgroup',
  throughWorkgroupMemory,
);
