import type { Caps } from '../core/caps.ts';
import { attention } from '../ops/attention.ts';
import { attentionParts } from '../ops/attention-parts.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupMax, workgroupSum } from '../wgsl/reduce.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import {
  type AttentionCall,
  attentionBindings,
  attentionCost,
  attentionElements,
  attentionMasking,
  attentionParams,
  attentionPartsBindings,
  attentionPartsParams,
  headVec,
  partRange,
  prepareAttention,
  prepareAttentionParts,
} from './attention-call.ts';
import { defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';

/** Keys between two synchronisations of a workgroup. */
const CHUNK = 256;
/** Loads of the largest head, of 256 scalars or 1024 in fours. */
const MAX_LENGTH = 256;

/**
 * Attention with one workgroup per query of a head: the kernel for decoding, where there is one query. Of each chunk
 * of keys the threads first take a key each and score it, then a part of the head each and add the values up; where
 * there are more threads than parts, several take the same part of different keys (Flash-Decoding, Dao et al. 2023).
 * Online softmax between chunks: Milakov and Gimelshein 2018. Nothing is unrolled, so it compiles fast at any size.
 */
const tuning = { workgroupSize: [8, 64] } as const;
type Tuning = { readonly workgroupSize: 8 | 64 };

function supports(call: AttentionCall, { workgroupSize }: Tuning, { limits }: Caps): true | string {
  if (workgroupSize > limits.maxComputeInvocationsPerWorkgroup) {
    return `workgroup of ${workgroupSize} is over the adapter's limit`;
  }
  const length = call.params.headDim / headVec(call);
  return length <= MAX_LENGTH || `a head takes ${length} loads, over ${MAX_LENGTH}`;
}

function efficiency(_call: AttentionCall, { workgroupSize }: Tuning, { kind }: Caps): number {
  if (kind !== 'software') return workgroupSize === 64 ? 1 : 8;
  return workgroupSize === 8 ? 20 : 40;
}

export const attentionQuery = defineKernel({
  name: 'attention_query',
  op: attention,
  bindings: attentionBindings,
  params: attentionParams,
  tuning,
  prepare: prepareAttention,
  supports,
  elements: attentionElements,
  wgsl: (shape, { workgroupSize }) => queryText(shape, workgroupSize, false),
  dispatch: ({ params }) => spreadWorkgroups(params.batch * params.queries * params.heads),
  cost: attentionCost,
  efficiency,
});

/** The same for one part of the keys a workgroup. */
export const attentionQueryParts = defineKernel({
  name: 'attention_query_parts',
  op: attentionParts,
  bindings: attentionPartsBindings,
  params: attentionPartsParams,
  tuning,
  prepare: prepareAttentionParts,
  supports: (call, t, caps) => supports(call, t, caps),
  elements: attentionElements,
  wgsl: (shape, { workgroupSize }) => queryText(shape, workgroupSize, true),
  dispatch: ({ params }) => spreadWorkgroups(params.batch * params.queries * params.heads * params.parts),
  cost: (call) => attentionCost(call),
  efficiency: (call, t, caps) => efficiency(call, t, caps),
});

function queryText(shape: KernelShape, workgroupSize: number, inParts: boolean): WgslSource {
  const vec = headVec(shape);
  const float = vec === 4 ? 'vec4f' : 'f32';
  const stored = vec === 4 ? `vec4<${shape.dtypes.y}>` : `${shape.dtypes.y}`;
  return wgsl`
    ${workgroupIndex}${workgroupMax(workgroupSize)}${workgroupSum(workgroupSize)}${attentionMasking(shape, 1)}${inParts ? partRange : []}
    const WORKGROUP_SIZE = ${workgroupSize}u;
    const CHUNK = ${CHUNK}u;

    // Of the keys of a chunk.
    var<workgroup> weights: array<f32, CHUNK>;
    // Sums of weighted values, by slice of the keys and part of the head.
    var<workgroup> totals: array<${float}, ${MAX_LENGTH}>;

    fn product(a: ${float}, b: ${float}) -> f32 { return ${vec === 4 ? 'dot(a, b)' : 'a * b'}; }

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let index = workgroupIndex(workgroupId, numWorkgroups);
      ${inParts ? ['let part = index % params.parts;', 'let row = index / params.parts;'] : ['let row = index;']}
      let h = row % params.heads;
      let i = row / params.heads % params.queries;
      let b = row / params.heads / params.queries;
      if (b >= params.batch) { return; }
      let position = queryPosition(b, i);
      let range = ${inParts ? 'partOf(keyRange(b, i, i), part)' : 'keyRange(b, i, i)'};
      let kvHead = h / (params.heads / params.kvHeads);
      let length = params.headDim / ${vec}u;
      let stride = params.kvHeads * length;
      let firstKey = (b * params.keys * params.kvHeads + kvHead) * length;
      let own = row * length;
      let slices = max(1u, WORKGROUP_SIZE / length);

      for (var item = thread; item < slices * length; item += WORKGROUP_SIZE) {
        totals[item] = ${float}();
      }
      var rowMax = HIDDEN;
      var rowSum = 0.0;
      for (var begin = range.x; begin < range.y; begin += CHUNK) {
        let count = min(CHUNK, range.y - begin);
        var threadMax = HIDDEN;
        for (var c = thread; c < count; c += WORKGROUP_SIZE) {
          let at = firstKey + (begin + c) * stride;
          var score = 0.0;
          for (var d = 0u; d < length; d++) {
            score += product(${float}(q[own + d]), ${float}(k[at + d]));
          }
          weights[c] = finishScore(score * params.scale, b, h, i, begin + c, range.y, position);
          threadMax = max(threadMax, weights[c]);
        }
        let newMax = max(rowMax, workgroupMax(threadMax, thread));
        let shrink = exp(rowMax - newMax);
        rowMax = newMax;

        var threadSum = 0.0;
        for (var c = thread; c < count; c += WORKGROUP_SIZE) {
          weights[c] = select(0.0, exp(weights[c] - newMax), weights[c] > HIDDEN);
          threadSum += weights[c];
        }
        rowSum = rowSum * shrink + workgroupSum(threadSum, thread);

        for (var item = thread; item < slices * length; item += WORKGROUP_SIZE) {
          let d = item % length;
          var total = totals[item] * shrink;
          for (var c = item / length; c < count; c += slices) {
            total += weights[c] * ${float}(v[firstKey + (begin + c) * stride + d]);
          }
          totals[item] = total;
        }
        workgroupBarrier();
      }

      workgroupBarrier();
      ${
        inParts
          ? [
              'let out = part * params.batch * params.queries * params.heads + row;',
              'if (thread == 0u) { storeStats(out, rowMax, rowSum); }',
            ]
          : ['let inverse = select(0.0, 1.0 / rowSum, rowSum > 0.0);']
      }
      for (var d = thread; d < length; d += WORKGROUP_SIZE) {
        var total = ${float}();
        for (var slice = 0u; slice < slices; slice++) {
          total += totals[slice * length + d];
        }
        ${inParts ? 'y[out * length + d] = total;' : `y[own + d] = ${stored}(total * inverse);`}
      }
    }
  `;
}
