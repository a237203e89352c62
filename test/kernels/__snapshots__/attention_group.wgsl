enable subgroups;

struct Params {
  batch: u32,
  queries: u32,
  keys: u32,
  heads: u32,
  kvHeads: u32,
  headDim: u32,
  causal: u32,
  window: u32,
  maskBatchStride: u32,
  maskHeadStride: u32,
  scale: f32,
  softcap: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

// A score that hides its key: finite, so that differences of scores stay numbers.
const HIDDEN = -3.0e38;

fn queryPosition(b: u32, i: u32) -> i32 {
  return i32(params.keys) - i32(params.queries) + i32(i);
}

// First key and the one after the last that any of these queries sees.
fn keyRange(b: u32, firstQuery: u32, lastQuery: u32) -> vec2u {
  let written = i32(params.keys);
  var begin = 0;
  var end = written;
  if (params.window > 0u) { begin = max(0, queryPosition(b, firstQuery) - i32(params.window) + 1); }
  if (params.causal == 1u) { end = queryPosition(b, lastQuery) + 1; }

  return vec2u(vec2i(clamp(begin, 0, written), clamp(end, 0, written)));
}

// Threads of a subgroup, which is a workgroup.
const LANES = 8u;
// Query heads of a kv head.
const HEADS = 1u;
const TILE_KEYS = 128u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let row = index;
  let b = row / params.kvHeads;
  if (b >= params.batch) { return; }
  let range = keyRange(b, 0u, 0u);
  let length = params.headDim / 4u;
  let stride = params.kvHeads * length;
  let firstKey = b * params.keys * stride + row % params.kvHeads * length;
  let hasBit1 = (lane & 1u) != 0u;
  let hasBit2 = (lane & 2u) != 0u;
  let hasBit4 = (lane & 4u) != 0u;
  // Lanes beyond the end of a head repeat its last vector, with a query of zero.
  let d0 = min(lane + 0u * LANES, length - 1u);
  let isOwn0 = lane + 0u * LANES < length;
  let head0 = row * HEADS + 0u;
  let q0_0 = vec4f(q[head0 * length + d0]) * select(0.0, params.scale, isOwn0);
  var total0_0 = vec4f();
  // Of head n in lane n.
  var max0 = HIDDEN;
  var sum0 = 0.0;
  var scores0: array<f32, TILE_KEYS>;

  for (var first = range.x; first < range.y; first += TILE_KEYS) {
    let tileKeys = min(TILE_KEYS, range.y - first);
    var tileMax0 = max0;
    for (var j = 0u; j < tileKeys; j++) {
      let at = firstKey + (first + j) * stride;
      let key0 = vec4f(k[at + d0]);
      var part0 = dot(q0_0, key0);
      let score0_1_0 = part0 + subgroupShuffleXor(part0, 1u);
      let score0_2_0 = score0_1_0 + subgroupShuffleXor(score0_1_0, 2u);
      let score0_4_0 = score0_2_0 + subgroupShuffleXor(score0_2_0, 4u);
      var score0 = score0_4_0;
      scores0[j] = score0;
      tileMax0 = max(tileMax0, score0);
    }

    let shrink0 = exp(max0 - tileMax0);
    max0 = tileMax0;
    sum0 *= shrink0;
    let shrinkOf0 = subgroupBroadcast(shrink0, 0u);
    total0_0 *= shrinkOf0;

    for (var j = 0u; j < tileKeys; j++) {
      let weight0 = exp(scores0[j] - max0);
      sum0 += weight0;
      let weightOf0 = subgroupBroadcast(weight0, 0u);
      let at = firstKey + (first + j) * stride;
      let value0 = vec4f(v[at + d0]);
      total0_0 += weightOf0 * value0;
    }
  }

  let sumOf0 = subgroupBroadcast(sum0, 0u);
  let out0 = head0;
  let inverse0 = select(0.0, 1.0 / sumOf0, sumOf0 > 0.0);
  if (isOwn0) { y[out0 * length + d0] = vec4<f32>(total0_0 * inverse0); }
}
