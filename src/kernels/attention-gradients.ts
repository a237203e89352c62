import {
  attentionKeyValueGradient,
  attentionLogSumExp,
  attentionQueryGradient,
} from '../ops/attention-gradients.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import {
  type AttentionCall,
  attentionBindings,
  attentionMasking,
  attentionParams,
  headVec,
  prepareAttention,
} from './attention-call.ts';
import { type Cost, defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';

/** Loads of the largest head, of 64 scalars or 256 in fours. */
const MAX_LENGTH = 64;
const WORKGROUP_SIZE = 64;

/**
 * The backward pass of attention in three kernels, each thread with a row of its own (FlashAttention-2, Dao 2023,
 * algorithm 2, without its tiles): rows of one head lie in neighbouring threads, so that the row they walk over is
 * the same address for all of them. Nothing is written twice, so nothing is atomic and sums keep their order.
 *
 *     attention_log_sum_exp      thread = query   walks over keys      max, sum
 *     attention_query_gradient   thread = query   walks over keys      dq
 *     attention_kv_gradient      thread = key     walks over queries   dk, dv, of all query heads of its kv head
 */
const { y: _y, ...forwardBindings } = attentionBindings;
const { v: _v, ...scoreBindings } = forwardBindings;
const rowBindings = { dy: 'read', logSumExp: 'read', delta: 'read' } as const;

const supportsLength = (call: AttentionCall): true | string => {
  const length = call.params.headDim / headVec(call);
  return length <= MAX_LENGTH || `a head takes ${length} loads, over ${MAX_LENGTH}`;
};

/** Heads are read by four where their size allows. */
function headElements(shape: KernelShape): Readonly<Record<string, string>> {
  if (headVec(shape) === 1) return {};
  const heads = ['q', 'k', 'v', 'dy', 'dk', 'dv', 'y'].filter((name) => name in shape.dtypes);
  return Object.fromEntries(heads.map((name) => [name, `vec4<${shape.dtypes[name]}>`]));
}

/** `main` of a thread per row: `r` of `rows`, in head `h` of `heads` of batch `b`. */
const rowMain = (shape: KernelShape, rows: string, heads: string, body: WgslSource): WgslSource => {
  const vec = headVec(shape);
  const float = vec === 4 ? 'vec4f' : 'f32';
  return wgsl`
    ${workgroupIndex}${attentionMasking(shape, 1)}
    const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
    const MAX_LENGTH = ${MAX_LENGTH}u;

    fn product(a: ${float}, b: ${float}) -> f32 { return ${vec === 4 ? 'dot(a, b)' : 'a * b'}; }

    // The slope of the softcap where it was given \`raw\`.
    fn softcapSlope(raw: f32) -> f32 {
      if (params.softcap == 0.0) { return 1.0; }
      let t = tanh(clamp(raw / params.softcap, -15.0, 15.0));
      return 1.0 - t * t;
    }

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let length = params.headDim / ${vec}u;
      let headsPerKv = params.heads / params.kvHeads;
      let blocks = (${rows} + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
      let index = workgroupIndex(workgroupId, numWorkgroups);
      let b = index / (blocks * ${heads});
      if (b >= params.batch) { return; }
      let head = index / blocks % ${heads};
      let row = index % blocks * WORKGROUP_SIZE + thread;
      if (row >= ${rows}) { return; }

      ${body}
    }
  `;
};

const queryGroups = ({ params }: AttentionCall) =>
  spreadWorkgroups(params.batch * params.heads * Math.ceil(params.queries / WORKGROUP_SIZE));

/** `products` times the work of one dot product per pair of query and key. */
const pairCost =
  (products: number) =>
  ({ params }: AttentionCall): Cost => {
    const { batch, queries, keys, heads, kvHeads, headDim } = params;
    const pairs = batch * heads * queries * keys * (params.causal === 1 ? 0.5 : 1);
    const bytes = 4 * headDim * batch * (queries * heads + keys * kvHeads);
    return { flops: 2 * products * pairs * headDim, bytesRead: 2 * bytes, bytesWritten: bytes };
  };

export const attentionLogSumExpRow = defineKernel({
  name: 'attention_log_sum_exp_row',
  op: attentionLogSumExp,
  bindings: { ...scoreBindings, y: 'write' },
  params: attentionParams,
  tuning: {},
  prepare: (call) => prepareAttention(call),
  supports: (call) => supportsLength(call),
  elements: ({ dtypes, variant }) => headElements({ variant, dtypes: without(dtypes, 'y') }),
  wgsl: (shape) =>
    rowMain(
      shape,
      'params.queries',
      'params.heads',
      wgsl`
        let own = ((b * params.queries + row) * params.heads + head) * length;
        let position = queryPosition(b, row);
        let range = keyRange(b, row, row);
        var rowMax = HIDDEN;
        var rowSum = 0.0;
        for (var j = range.x; j < range.y; j++) {
          let key = ((b * params.keys + j) * params.kvHeads + head / headsPerKv) * length;
          var score = 0.0;
          for (var d = 0u; d < length; d++) { score += product(${loadHead(shape, 'q', 'own + d')}, ${loadHead(shape, 'k', 'key + d')}); }
          score = finishScore(score * params.scale, b, head, row, j, range.y, position);
          if (score <= HIDDEN) { continue; }
          let newMax = max(rowMax, score);
          rowSum = rowSum * exp(rowMax - newMax) + exp(score - newMax);
          rowMax = newMax;
        }
        y[(b * params.queries + row) * params.heads + head] = select(0.0, rowMax + log(rowSum), rowSum > 0.0);
      `,
    ),
  dispatch: queryGroups,
  cost: pairCost(1),
});

export const attentionQueryGradientRow = defineKernel({
  name: 'attention_query_gradient_row',
  op: attentionQueryGradient,
  bindings: { ...forwardBindings, ...rowBindings, y: 'write' },
  params: attentionParams,
  tuning: {},
  prepare: (call) => prepareAttention(call),
  supports: (call) => supportsLength(call),
  elements: headElements,
  wgsl: (shape) =>
    rowMain(
      shape,
      'params.queries',
      'params.heads',
      wgsl`
        let rowIndex = (b * params.queries + row) * params.heads + head;
        let own = rowIndex * length;
        let position = queryPosition(b, row);
        let range = keyRange(b, row, row);
        var total: array<${headType(shape)}, MAX_LENGTH>;
        for (var d = 0u; d < length; d++) { total[d] = ${headType(shape)}(); }
        for (var j = range.x; j < range.y; j++) {
          let key = ((b * params.keys + j) * params.kvHeads + head / headsPerKv) * length;
          ${pairLines(shape, { query: 'own', key: 'key', row: 'row', head: 'head', rowIndex: 'rowIndex', j: 'j' })}
          for (var d = 0u; d < length; d++) { total[d] += ds * ${loadHead(shape, 'k', 'key + d')}; }
        }
        for (var d = 0u; d < length; d++) { y[own + d] = total[d] * params.scale; }
      `,
    ),
  dispatch: queryGroups,
  cost: pairCost(3),
});

export const attentionKeyValueGradientRow = defineKernel({
  name: 'attention_kv_gradient_row',
  op: attentionKeyValueGradient,
  bindings: { ...forwardBindings, ...rowBindings, dk: 'write', dv: 'write' },
  params: attentionParams,
  tuning: {},
  prepare: (call) => prepareAttention(call),
  supports: (call) => supportsLength(call),
  elements: headElements,
  wgsl: (shape) =>
    rowMain(
      shape,
      'params.keys',
      'params.kvHeads',
      wgsl`
        let own = ((b * params.keys + row) * params.kvHeads + head) * length;
        var keyTotal: array<${headType(shape)}, MAX_LENGTH>;
        var valueTotal: array<${headType(shape)}, MAX_LENGTH>;
        for (var d = 0u; d < length; d++) {
          keyTotal[d] = ${headType(shape)}();
          valueTotal[d] = ${headType(shape)}();
        }
        for (var i = 0u; i < params.queries; i++) {
          let range = keyRange(b, i, i);
          let position = queryPosition(b, i);
          if (row < range.x || row >= range.y) { continue; }
          for (var h = head * headsPerKv; h < (head + 1u) * headsPerKv; h++) {
            let rowIndex = (b * params.queries + i) * params.heads + h;
            let query = rowIndex * length;
            ${pairLines(shape, { query: 'query', key: 'own', row: 'i', head: 'h', rowIndex: 'rowIndex', j: 'row' })}
            for (var d = 0u; d < length; d++) {
              keyTotal[d] += ds * ${loadHead(shape, 'q', 'query + d')};
              valueTotal[d] += weight * ${loadHead(shape, 'dy', 'query + d')};
            }
          }
        }
        for (var d = 0u; d < length; d++) {
          dk[own + d] = keyTotal[d] * params.scale;
          dv[own + d] = valueTotal[d];
        }
      `,
    ),
  dispatch: ({ params }) =>
    spreadWorkgroups(params.batch * params.kvHeads * Math.ceil(params.keys / WORKGROUP_SIZE)),
  cost: pairCost(4),
});

const headType = (shape: KernelShape): string => (headVec(shape) === 4 ? 'vec4f' : 'f32');
const loadHead = (shape: KernelShape, name: string, at: string): string =>
  `${headType(shape)}(${name}[${at}])`;
const without = (dtypes: KernelShape['dtypes'], name: string): KernelShape['dtypes'] =>
  Object.fromEntries(Object.entries(dtypes).filter(([own]) => own !== name));

interface PairNames {
  readonly query: string;
  readonly key: string;
  readonly row: string;
  readonly head: string;
  readonly rowIndex: string;
  readonly j: string;
}

/** `weight` p of a pair and `ds`, the gradient of its score before the softcap; goes on to the next where it is hidden. */
const pairLines = (
  shape: KernelShape,
  { query, key, row, head, rowIndex, j }: PairNames,
): readonly string[] => [
  'var raw = 0.0;',
  'var dWeight = 0.0;',
  'for (var d = 0u; d < length; d++) {',
  `  raw += product(${loadHead(shape, 'q', `${query} + d`)}, ${loadHead(shape, 'k', `${key} + d`)});`,
  `  dWeight += product(${loadHead(shape, 'dy', `${query} + d`)}, ${loadHead(shape, 'v', `${key} + d`)});`,
  '}',
  'raw *= params.scale;',
  `let score = finishScore(raw, b, ${head}, ${row}, ${j}, range.y, position);`,
  'if (score <= HIDDEN) { continue; }',
  `let weight = exp(score - logSumExp[${rowIndex}]);`,
  `let ds = weight * (dWeight - delta[${rowIndex}]) * softcapSlope(raw);`,
];
