import { dim } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { pagedAttention } from '../ops/paged-attention.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupMax, workgroupSum } from '../wgsl/reduce.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  attentionCost,
  attentionElements,
  attentionMasking,
  attentionParams,
  headVec,
  prepareAttention,
} from './attention-call.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/** Keys between two synchronisations of a workgroup. */
const CHUNK = 256;
/** Loads of the largest head, of 256 scalars or 1024 in fours. */
const MAX_LENGTH = 256;

/**
 * Attention over a cache in pages (Kwon et al. 2023, arXiv 2309.06180) with one workgroup per query of a head: as
 * `attention_query`, but for where a key lies, which the threads look up once per chunk of keys.
 * Online softmax between chunks: Milakov and Gimelshein 2018. q [B, S, H, D], k and v [P, G, K, D] → y like q.
 */
export const attentionPaged = defineKernel({
  name: 'attention_paged',
  op: pagedAttention,
  bindings: { q: 'read', k: 'read', v: 'read', past: 'read', pages: 'read', y: 'write' },
  params: { ...attentionParams, pageSize: 'u32', pagesPerRow: 'u32' },
  tuning: { workgroupSize: [8, 64] },
  prepare(call) {
    const pageSize = dim(required(call.inputs, 'k', 'attention_paged').shape, 1);
    const pagesPerRow = dim(required(call.inputs, 'pages', 'attention_paged').shape, 1);
    const { params, variant } = prepareAttention(call);
    return { params: { ...params, keys: pageSize * pagesPerRow, pageSize, pagesPerRow }, variant };
  },
  supports(call, { workgroupSize }, caps) {
    if (workgroupSize > caps.limits.maxComputeInvocationsPerWorkgroup) {
      return `workgroup of ${workgroupSize} is over the adapter's limit`;
    }
    const length = call.params.headDim / headVec(call);
    return length <= MAX_LENGTH || `a head takes ${length} loads, over ${MAX_LENGTH}`;
  },
  elements: attentionElements,
  wgsl(shape, { workgroupSize }) {
    const vec = headVec(shape);
    const float = vec === 4 ? 'vec4f' : 'f32';
    const stored = vec === 4 ? `vec4<${shape.dtypes.y}>` : `${shape.dtypes.y}`;
    return wgsl`
      ${workgroupIndex}${workgroupMax(workgroupSize)}${workgroupSum(workgroupSize)}${attentionMasking(shape, 1)}
      const WORKGROUP_SIZE = ${workgroupSize}u;
      const CHUNK = ${CHUNK}u;

      // Of the keys of a chunk: weights, and where they begin in k and v.
      var<workgroup> weights: array<f32, CHUNK>;
      var<workgroup> places: array<u32, CHUNK>;
      // Sums of weighted values, by slice of the keys and part of the head.
      var<workgroup> totals: array<${float}, ${MAX_LENGTH}>;

      fn product(a: ${float}, b: ${float}) -> f32 { return ${vec === 4 ? 'dot(a, b)' : 'a * b'}; }

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        let row = workgroupIndex(workgroupId, numWorkgroups);
        let h = row % params.heads;
        let i = row / params.heads % params.queries;
        let b = row / params.heads / params.queries;
        if (b >= params.batch) { return; }
        let position = queryPosition(b, i);
        let range = keyRange(b, i, i);
        let length = params.headDim / ${vec}u;
        let stride = params.kvHeads * length;
        let headStart = h / (params.heads / params.kvHeads) * length;
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
            let key = begin + c;
            let page = pages[b * params.pagesPerRow + key / params.pageSize];
            let at = (page * params.pageSize + key % params.pageSize) * stride + headStart;
            places[c] = at;
            var score = 0.0;
            for (var d = 0u; d < length; d++) {
              score += product(${float}(q[own + d]), ${float}(k[at + d]));
            }
            weights[c] = finishScore(score * params.scale, b, h, i, key, range.y, position);
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
              total += weights[c] * ${float}(v[places[c] + d]);
            }
            totals[item] = total;
          }
          workgroupBarrier();
        }

        workgroupBarrier();
        let inverse = select(0.0, 1.0 / rowSum, rowSum > 0.0);
        for (var d = thread; d < length; d += WORKGROUP_SIZE) {
          var total = ${float}();
          for (var slice = 0u; slice < slices; slice++) {
            total += totals[slice * length + d];
          }
          y[own + d] = ${stored}(total * inverse);
        }
      }
    `;
  },
  dispatch: ({ params }) => spreadWorkgroups(params.batch * params.queries * params.heads),
  cost: (call) => attentionCost(call),
  efficiency(_call, { workgroupSize }, caps) {
    if (caps.kind !== 'software') return workgroupSize === 64 ? 1 : 8;
    return workgroupSize === 8 ? 20 : 40;
  },
});
