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
  parts: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> past: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

// A score that hides its key: finite, so that differences of scores stay numbers.
const HIDDEN = -3.0e38;

fn queryPosition(b: u32, i: u32) -> i32 {
  return i32(past[b]) + i32(i);
}

// First key and the one after the last that any of these queries sees.
fn keyRange(b: u32, firstQuery: u32, lastQuery: u32) -> vec2u {
  let written = i32(min(params.keys, past[b] + params.queries));
  var begin = 0;
  var end = written;
  if (params.window > 0u) { begin = max(0, queryPosition(b, firstQuery) - i32(params.window) + 1); }
  if (params.causal == 1u) { end = queryPosition(b, lastQuery) + 1; }

  return vec2u(vec2i(clamp(begin, 0, written), clamp(end, 0, written)));
}

fn partOf(range: vec2u, part: u32) -> vec2u {
  let size = (range.y - range.x + params.parts - 1u) / params.parts;
  let begin = min(range.x + part * size, range.y);
  return vec2u(begin, min(begin + size, range.y));
}

fn storeStats(row: u32, rowMax: f32, rowSum: f32) {
  stats[2u * row] = select(0.0, rowMax, rowSum > 0.0);
  stats[2u * row + 1u] = rowSum;
}

// Threads of a subgroup, which is a workgroup.
const LANES = 8u;
// Query heads of a kv head.
const HEADS = 3u;
const TILE_KEYS = 128u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let part = index % params.parts;
  let row = index / params.parts;
  let b = row / params.kvHeads;
  if (b >= params.batch) { return; }
  let range = partOf(keyRange(b, 0u, 0u), part);
  let length = params.headDim / 4u;
  let stride = params.kvHeads * length;
  let firstKey = b * params.keys * stride + row % params.kvHeads * length;
  let hasBit1 = (lane & 1u) != 0u;
  let hasBit2 = (lane & 2u) != 0u;
  let hasBit4 = (lane & 4u) != 0u;

  let d0 = lane + 0u * LANES;
  let d1 = lane + 1u * LANES;
  let head0 = row * HEADS + 0u;
  let q0_0 = vec4f(q[head0 * length + d0]) * params.scale;
  let q0_1 = vec4f(q[head0 * length + d1]) * params.scale;
  var total0_0 = vec4f();
  var total0_1 = vec4f();
  let head1 = row * HEADS + 1u;
  let q1_0 = vec4f(q[head1 * length + d0]) * params.scale;
  let q1_1 = vec4f(q[head1 * length + d1]) * params.scale;
  var total1_0 = vec4f();
  var total1_1 = vec4f();
  let head2 = row * HEADS + 2u;
  let q2_0 = vec4f(q[head2 * length + d0]) * params.scale;
  let q2_1 = vec4f(q[head2 * length + d1]) * params.scale;
  var total2_0 = vec4f();
  var total2_1 = vec4f();
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
      var part1 = dot(q1_0, key0);
      var part2 = dot(q2_0, key0);
      let key1 = vec4f(k[at + d1]);
      part0 += dot(q0_1, key1);
      part1 += dot(q1_1, key1);
      part2 += dot(q2_1, key1);
      let score0_1_0 = select(part0, part1, hasBit1) + subgroupShuffleXor(select(part1, part0, hasBit1), 1u);
      let score0_1_1 = part2 + subgroupShuffleXor(part2, 1u);
      let score0_2_0 = select(score0_1_0, score0_1_1, hasBit2) + subgroupShuffleXor(select(score0_1_1, score0_1_0, hasBit2), 2u);
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
    total0_1 *= shrinkOf0;
    let shrinkOf1 = subgroupBroadcast(shrink0, 1u);
    total1_0 *= shrinkOf1;
    total1_1 *= shrinkOf1;
    let shrinkOf2 = subgroupBroadcast(shrink0, 2u);
    total2_0 *= shrinkOf2;
    total2_1 *= shrinkOf2;

    for (var j = 0u; j < tileKeys; j++) {
      let weight0 = exp(scores0[j] - max0);
      sum0 += weight0;
      let weightOf0 = subgroupBroadcast(weight0, 0u);
      let weightOf1 = subgroupBroadcast(weight0, 1u);
      let weightOf2 = subgroupBroadcast(weight0, 2u);
      let at = firstKey + (first + j) * stride;
      let value0 = vec4f(v[at + d0]);
      total0_0 += weightOf0 * value0;
      total1_0 += weightOf1 * value0;
      total2_0 += weightOf2 * value0;
      let value1 = vec4f(v[at + d1]);
      total0_1 += weightOf0 * value1;
      total1_1 += weightOf1 * value1;
      total2_1 += weightOf2 * value1;
    }
  }

  let sumOf0 = subgroupBroadcast(sum0, 0u);
  let maxOf0 = subgroupBroadcast(max0, 0u);
  let out0 = part * params.batch * params.heads + head0;
  if (lane == 0u) { storeStats(out0, maxOf0, sumOf0); }
  { y[out0 * length + d0] = vec4<f32>(total0_0); }
  { y[out0 * length + d1] = vec4<f32>(total0_1); }
  let sumOf1 = subgroupBroadcast(sum0, 1u);
  let maxOf1 = subgroupBroadcast(max0, 1u);
  let out1 = part * params.batch * params.heads + head1;
  if (lane == 0u) { storeStats(out1, maxOf1, sumOf1); }
  { y[out1 * length + d0] = vec4<f32>(total1_0); }
  { y[out1 * length + d1] = vec4<f32>(total1_1); }
  let sumOf2 = subgroupBroadcast(sum0, 2u);
  let maxOf2 = subgroupBroadcast(max0, 2u);
  let out2 = part * params.batch * params.heads + head2;
  if (lane == 0u) { storeStats(out2, maxOf2, sumOf2); }
  { y[out2 * length + d0] = vec4<f32>(total2_0); }
  { y[out2 * length + d1] = vec4<f32>(total2_1); }
}
