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

fn isVisible(b: u32, i: u32, position: i32, key: vec4i) -> vec4<bool> {
  let inPast = vec4<bool>(params.causal == 0u) | (key <= vec4i(position));
  let inWindow = vec4<bool>(params.window == 0u) | (vec4i(position) - key < vec4i(i32(params.window)));
  return inPast & inWindow;
}

fn finishScore(raw: vec4f, b: u32, h: u32, i: u32, j: vec4u, end: u32, position: i32) -> vec4f {
  var score = raw;
  let key = vec4i(j);
  var visible = isVisible(b, i, position, key) & (key < vec4i(i32(end)));

  return select(vec4f(HIDDEN), score, visible);
}

// Threads of a subgroup, which is a workgroup.
const LANES = 8u;
// Keys of a step, loaded by KEYS / LANES a thread.
const KEYS = 16u;
// Queries of a thread, LANES apart.
const ROWS = 1u;
// Loads of a head at most.
const MAX_LENGTH = 16u;

fn addProduct(sum: f32, a: vec4f, b: vec4f) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

fn largest(v: vec4f) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

fn weightsOf(scores: vec4f, rowMax: f32) -> vec4f {
  return select(vec4f(), exp(scores - rowMax), scores > vec4f(HIDDEN));
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let length = params.headDim / 4u;
  let headsPerKv = params.heads / params.kvHeads;
  let rows = params.queries * headsPerKv;
  let blocks = (rows + LANES * ROWS - 1u) / (LANES * ROWS);
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let b = index / (blocks * params.kvHeads);
  if (b >= params.batch) { return; }
  let kvHead = index / blocks % params.kvHeads;
  let firstRow = index % blocks * LANES * ROWS;
  let lastRow = min(firstRow + LANES * ROWS, rows) - 1u;
  let keys = keyRange(b, firstRow / headsPerKv, lastRow / headsPerKv);

  // Of four keys, as this thread meets them.
  let order = vec4u(0u, 1u, 2u, 3u);

  // Threads beyond the last row repeat it.
  var query: array<array<vec4f, MAX_LENGTH>, ROWS>;
  var total: array<array<vec4f, MAX_LENGTH>, ROWS>;
  var rowMax: array<f32, ROWS>;
  var rowSum: array<f32, ROWS>;
  let row0 = min(firstRow + 0u * LANES + lane, lastRow);
  let i0 = row0 / headsPerKv;
  let h0 = kvHead * headsPerKv + row0 % headsPerKv;
  let position0 = queryPosition(b, i0);
  let own0 = ((b * params.queries + i0) * params.heads + h0) * length;
  rowMax[0] = HIDDEN;
  for (var d = 0u; d < length; d++) {
    query[0][d] = vec4f(q[own0 + d]) * params.scale;
  }

  for (var j = keys.x; j < keys.y; j += KEYS) {
    // The keys and values that this thread loads for all.
    let at0 = ((b * params.keys + min(j + 0u * LANES + lane, keys.y - 1u)) * params.kvHeads + kvHead) * length;
    let at1 = ((b * params.keys + min(j + 1u * LANES + lane, keys.y - 1u)) * params.kvHeads + kvHead) * length;
    var score0_0 = vec4f();
    var score0_4 = vec4f();
    var score0_8 = vec4f();
    var score0_12 = vec4f();
    for (var d = 0u; d < length; d++) {
      let key_0 = vec4f(k[at0 + d]);
      let key_1 = vec4f(k[at1 + d]);
      let query0 = query[0][d];
      let key0 = subgroupBroadcast(key_0, 0u);
      score0_0[0] = addProduct(score0_0[0], query0, key0);
      let key1 = subgroupBroadcast(key_0, 1u);
      score0_0[1] = addProduct(score0_0[1], query0, key1);
      let key2 = subgroupBroadcast(key_0, 2u);
      score0_0[2] = addProduct(score0_0[2], query0, key2);
      let key3 = subgroupBroadcast(key_0, 3u);
      score0_0[3] = addProduct(score0_0[3], query0, key3);
      let key4 = subgroupBroadcast(key_0, 4u);
      score0_4[0] = addProduct(score0_4[0], query0, key4);
      let key5 = subgroupBroadcast(key_0, 5u);
      score0_4[1] = addProduct(score0_4[1], query0, key5);
      let key6 = subgroupBroadcast(key_0, 6u);
      score0_4[2] = addProduct(score0_4[2], query0, key6);
      let key7 = subgroupBroadcast(key_0, 7u);
      score0_4[3] = addProduct(score0_4[3], query0, key7);
      let key8 = subgroupBroadcast(key_1, 0u);
      score0_8[0] = addProduct(score0_8[0], query0, key8);
      let key9 = subgroupBroadcast(key_1, 1u);
      score0_8[1] = addProduct(score0_8[1], query0, key9);
      let key10 = subgroupBroadcast(key_1, 2u);
      score0_8[2] = addProduct(score0_8[2], query0, key10);
      let key11 = subgroupBroadcast(key_1, 3u);
      score0_8[3] = addProduct(score0_8[3], query0, key11);
      let key12 = subgroupBroadcast(key_1, 4u);
      score0_12[0] = addProduct(score0_12[0], query0, key12);
      let key13 = subgroupBroadcast(key_1, 5u);
      score0_12[1] = addProduct(score0_12[1], query0, key13);
      let key14 = subgroupBroadcast(key_1, 6u);
      score0_12[2] = addProduct(score0_12[2], query0, key14);
      let key15 = subgroupBroadcast(key_1, 7u);
      score0_12[3] = addProduct(score0_12[3], query0, key15);
    }
    score0_0 = finishScore(score0_0, b, h0, i0, order + (j + 0u), keys.y, position0);
    score0_4 = finishScore(score0_4, b, h0, i0, order + (j + 4u), keys.y, position0);
    score0_8 = finishScore(score0_8, b, h0, i0, order + (j + 8u), keys.y, position0);
    score0_12 = finishScore(score0_12, b, h0, i0, order + (j + 12u), keys.y, position0);
    let max0 = max(rowMax[0], largest(max(max(max(score0_0, score0_4), score0_8), score0_12)));
    let shrink0 = exp(rowMax[0] - max0);
    rowMax[0] = max0;
    score0_0 = weightsOf(score0_0, max0);
    score0_4 = weightsOf(score0_4, max0);
    score0_8 = weightsOf(score0_8, max0);
    score0_12 = weightsOf(score0_12, max0);
    rowSum[0] = rowSum[0] * shrink0 + dot(score0_0 + score0_4 + score0_8 + score0_12, vec4f(1.0));
    for (var d = 0u; d < length; d++) {
      let value_0 = vec4f(v[at0 + d]);
      let value_1 = vec4f(v[at1 + d]);
      var total0 = total[0][d] * shrink0;
      let value0 = subgroupBroadcast(value_0, 0u);
      total0 += score0_0[0] * value0;
      let value1 = subgroupBroadcast(value_0, 1u);
      total0 += score0_0[1] * value1;
      let value2 = subgroupBroadcast(value_0, 2u);
      total0 += score0_0[2] * value2;
      let value3 = subgroupBroadcast(value_0, 3u);
      total0 += score0_0[3] * value3;
      let value4 = subgroupBroadcast(value_0, 4u);
      total0 += score0_4[0] * value4;
      let value5 = subgroupBroadcast(value_0, 5u);
      total0 += score0_4[1] * value5;
      let value6 = subgroupBroadcast(value_0, 6u);
      total0 += score0_4[2] * value6;
      let value7 = subgroupBroadcast(value_0, 7u);
      total0 += score0_4[3] * value7;
      let value8 = subgroupBroadcast(value_1, 0u);
      total0 += score0_8[0] * value8;
      let value9 = subgroupBroadcast(value_1, 1u);
      total0 += score0_8[1] * value9;
      let value10 = subgroupBroadcast(value_1, 2u);
      total0 += score0_8[2] * value10;
      let value11 = subgroupBroadcast(value_1, 3u);
      total0 += score0_8[3] * value11;
      let value12 = subgroupBroadcast(value_1, 4u);
      total0 += score0_12[0] * value12;
      let value13 = subgroupBroadcast(value_1, 5u);
      total0 += score0_12[1] * value13;
      let value14 = subgroupBroadcast(value_1, 6u);
      total0 += score0_12[2] * value14;
      let value15 = subgroupBroadcast(value_1, 7u);
      total0 += score0_12[3] * value15;
      total[0][d] = total0;
    }
  }

  if (firstRow + 0u * LANES + lane <= lastRow) {
    let inverse = select(0.0, 1.0 / rowSum[0], rowSum[0] > 0.0);
    for (var d = 0u; d < length; d++) { y[own0 + d] = vec4<f32>(total[0][d] * inverse); }
  }
}
