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

var<workgroup> workgroupMaxScratch: array<f32, 8>;

fn workgroupMax(value: f32, thread: u32) -> f32 {
  workgroupMaxScratch[thread] = value;
  workgroupBarrier();
  for (var stride = 4u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let a = workgroupMaxScratch[thread];
      let b = workgroupMaxScratch[thread + stride];
      workgroupMaxScratch[thread] = max(a, b);
    }
    workgroupBarrier();
  }
  let result = workgroupMaxScratch[0];
  workgroupBarrier();
  return result;
}

var<workgroup> workgroupSumScratch: array<f32, 8>;

fn workgroupSum(value: f32, thread: u32) -> f32 {
  workgroupSumScratch[thread] = value;
  workgroupBarrier();
  for (var stride = 4u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let a = workgroupSumScratch[thread];
      let b = workgroupSumScratch[thread + stride];
      workgroupSumScratch[thread] = a + b;
    }
    workgroupBarrier();
  }
  let result = workgroupSumScratch[0];
  workgroupBarrier();
  return result;
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

fn isVisible(b: u32, i: u32, position: i32, key: i32) -> bool {
  let inPast = bool(params.causal == 0u) | (key <= i32(position));
  let inWindow = bool(params.window == 0u) | (i32(position) - key < i32(i32(params.window)));
  return inPast & inWindow;
}

fn finishScore(raw: f32, b: u32, h: u32, i: u32, j: u32, end: u32, position: i32) -> f32 {
  var score = raw;
  let key = i32(j);
  var visible = isVisible(b, i, position, key) & (key < i32(i32(end)));

  return select(f32(HIDDEN), score, visible);
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

const WORKGROUP_SIZE = 8u;
const CHUNK = 256u;

// Of the keys of a chunk.
var<workgroup> weights: array<f32, CHUNK>;
// Sums of weighted values, by slice of the keys and part of the head.
var<workgroup> totals: array<vec4f, 256>;

fn product(a: vec4f, b: vec4f) -> f32 { return dot(a, b); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let part = index % params.parts;
  let row = index / params.parts;
  let h = row % params.heads;
  let i = row / params.heads % params.queries;
  let b = row / params.heads / params.queries;
  if (b >= params.batch) { return; }
  let position = queryPosition(b, i);
  let range = partOf(keyRange(b, i, i), part);
  let kvHead = h / (params.heads / params.kvHeads);
  let length = params.headDim / 4u;
  let stride = params.kvHeads * length;
  let firstKey = (b * params.keys * params.kvHeads + kvHead) * length;
  let own = row * length;
  let slices = max(1u, WORKGROUP_SIZE / length);

  for (var item = thread; item < slices * length; item += WORKGROUP_SIZE) {
    totals[item] = vec4f();
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
        score += product(vec4f(q[own + d]), vec4f(k[at + d]));
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
        total += weights[c] * vec4f(v[firstKey + (begin + c) * stride + d]);
      }
      totals[item] = total;
    }
    workgroupBarrier();
  }

  workgroupBarrier();
  let out = part * params.batch * params.queries * params.heads + row;
  if (thread == 0u) { storeStats(out, rowMax, rowSum); }
  for (var d = thread; d < length; d += WORKGROUP_SIZE) {
    var total = vec4f();
    for (var slice = 0u; slice < slices; slice++) {
      total += totals[slice * length + d];
    }
    y[out * length + d] = total;
  }
}
