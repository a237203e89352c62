import { attention } from '../ops/attention.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  attentionBindings,
  attentionCost,
  attentionElements,
  attentionMasking,
  attentionParams,
  headVec,
  prepareAttention,
} from './attention-call.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

const ROWS = 16;
const KEYS = 32;
/** Threads that share a row. */
const TEAM = 8;
/** Loads of the largest head, of 32 scalars or 128 in fours. */
const MAX_LENGTH = 32;

/**
 * Attention for GPUs: a workgroup takes 16 queries of a kv head and walks over the keys 32 at a time, both in
 * workgroup memory (FlashAttention, Dao et al. 2022). A team of 8 threads shares a row: each scores 4 keys of a tile,
 * then adds up an eighth of the head of all 32 values.
 *
 *          kv tile: 32 keys, then their values
 *     q  ┌────────────────┐
 *     ┌─┐│ scores, weights │  16 rows × 8 threads
 *     └─┘└────────────────┘
 *
 * Not yet timed on a GPU. On software adapters its barriers make it the slowest of the three.
 */
export const attentionTiled = defineKernel({
  name: 'attention_tiled',
  op: attention,
  bindings: attentionBindings,
  params: attentionParams,
  tuning: {},
  prepare: prepareAttention,
  supports(call, _t, { limits }) {
    const length = call.params.headDim / headVec(call);
    if (length > MAX_LENGTH) return `a head takes ${length} loads, over ${MAX_LENGTH}`;
    const bytes = (ROWS + KEYS) * MAX_LENGTH * 4 * headVec(call) + ROWS * KEYS * 4;
    if (bytes > limits.maxComputeWorkgroupStorageSize) {
      return `${bytes} bytes of workgroup memory are over the adapter's ${limits.maxComputeWorkgroupStorageSize}`;
    }
    return (
      ROWS * TEAM <= limits.maxComputeInvocationsPerWorkgroup || "the workgroup is over the adapter's limit"
    );
  },
  elements: attentionElements,
  wgsl(shape) {
    const vec = headVec(shape);
    const float = vec === 4 ? 'vec4f' : 'f32';
    const stored = vec === 4 ? `vec4<${shape.dtypes.y}>` : `${shape.dtypes.y}`;
    return wgsl`
      ${workgroupIndex}${attentionMasking(shape, 1)}
      const ROWS = ${ROWS}u;
      const KEYS = ${KEYS}u;
      const TEAM = ${TEAM}u;
      const WORKGROUP_SIZE = ${ROWS * TEAM}u;
      const MAX_LENGTH = ${MAX_LENGTH}u;

      var<workgroup> queryTile: array<${float}, ROWS * MAX_LENGTH>;
      // Keys of a tile, then their values.
      var<workgroup> kvTile: array<${float}, KEYS * MAX_LENGTH>;
      // Scores of a tile, then their weights.
      var<workgroup> weights: array<f32, ROWS * KEYS>;

      fn product(a: ${float}, b: ${float}) -> f32 { return ${vec === 4 ? 'dot(a, b)' : 'a * b'}; }

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        let length = params.headDim / ${vec}u;
        let headsPerKv = params.heads / params.kvHeads;
        let rows = params.queries * headsPerKv;
        let blocks = (rows + ROWS - 1u) / ROWS;
        let index = workgroupIndex(workgroupId, numWorkgroups);
        let b = index / (blocks * params.kvHeads);
        if (b >= params.batch) { return; }
        let kvHead = index / blocks % params.kvHeads;
        let firstRow = index % blocks * ROWS;
        let lastRow = min(firstRow + ROWS, rows) - 1u;
        let keys = keyRange(b, firstRow / headsPerKv, lastRow / headsPerKv);

        // The row of this thread's team; teams beyond the last row repeat it.
        let team = thread / TEAM;
        let member = thread % TEAM;
        let row = min(firstRow + team, lastRow);
        let i = row / headsPerKv;
        let h = kvHead * headsPerKv + row % headsPerKv;
        let position = queryPosition(b, i);
        let own = ((b * params.queries + i) * params.heads + h) * length;
        for (var d = member; d < length; d += TEAM) {
          queryTile[team * MAX_LENGTH + d] = ${float}(q[own + d]) * params.scale;
        }

        var rowMax = HIDDEN;
        var rowSum = 0.0;
        var total: array<${float}, MAX_LENGTH / TEAM>;
        for (var begin = keys.x; begin < keys.y; begin += KEYS) {
          for (var item = thread; item < KEYS * length; item += WORKGROUP_SIZE) {
            let j = min(begin + item / length, keys.y - 1u);
            let at = ((b * params.keys + j) * params.kvHeads + kvHead) * length + item % length;
            kvTile[item] = ${float}(k[at]);
          }
          workgroupBarrier();

          // With an initializer: Dawn (webgpu 0.6.2) zeroes an array declared without one only the first time round.
          var scores = array<f32, KEYS / TEAM>();
          for (var d = 0u; d < length; d++) {
            let query = queryTile[team * MAX_LENGTH + d];
            for (var n = 0u; n < KEYS / TEAM; n++) {
              scores[n] += product(query, kvTile[(member + n * TEAM) * length + d]);
            }
          }
          for (var n = 0u; n < KEYS / TEAM; n++) {
            let c = member + n * TEAM;
            scores[n] = finishScore(scores[n], b, h, i, begin + c, keys.y, position);
            weights[team * KEYS + c] = scores[n];
          }
          workgroupBarrier();

          let oldMax = rowMax;
          for (var c = 0u; c < KEYS; c++) {
            rowMax = max(rowMax, weights[team * KEYS + c]);
          }
          for (var item = thread; item < KEYS * length; item += WORKGROUP_SIZE) {
            let j = min(begin + item / length, keys.y - 1u);
            let at = ((b * params.keys + j) * params.kvHeads + kvHead) * length + item % length;
            kvTile[item] = ${float}(v[at]);
          }
          workgroupBarrier();

          for (var n = 0u; n < KEYS / TEAM; n++) {
            let weight = select(0.0, exp(scores[n] - rowMax), scores[n] > HIDDEN);
            weights[team * KEYS + member + n * TEAM] = weight;
          }
          workgroupBarrier();

          let shrink = exp(oldMax - rowMax);
          rowSum *= shrink;
          for (var n = 0u; n < MAX_LENGTH / TEAM; n++) {
            total[n] *= shrink;
          }
          for (var c = 0u; c < KEYS; c++) {
            let weight = weights[team * KEYS + c];
            rowSum += weight;
            for (var n = 0u; n < MAX_LENGTH / TEAM; n++) {
              // Reads past a short head land in the next key and are never stored.
              total[n] += weight * kvTile[min(c * length + member + n * TEAM, KEYS * MAX_LENGTH - 1u)];
            }
          }
          workgroupBarrier();
        }

        if (firstRow + team > lastRow) { return; }
        let inverse = select(0.0, 1.0 / rowSum, rowSum > 0.0);
        for (var n = 0u; n < MAX_LENGTH / TEAM; n++) {
          let d = member + n * TEAM;
          if (d < length) { y[own + d] = ${stored}(total[n] * inverse); }
        }
      }
    `;
  },
  dispatch({ params }) {
    const queries = params.queries * (params.heads / params.kvHeads);
    return spreadWorkgroups(params.batch * params.kvHeads * Math.ceil(queries / ROWS));
  },
  cost: attentionCost,
  efficiency({ params }, _t, { kind }) {
    if (kind === 'software') return 100;
    const queries = params.queries * (params.heads / params.kvHeads);
    // A few queries leave most teams idle, and too few workgroups to fill a GPU.
    return queries < ROWS ? 4 : 0.5;
  },
});
