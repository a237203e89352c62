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
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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

const WORKGROUP_SIZE = 64u;
const MAX_LENGTH = 64u;

fn product(a: vec4f, b: vec4f) -> f32 { return dot(a, b); }

// The slope of the softcap where it was given `raw`.
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
  let length = params.headDim / 4u;
  let headsPerKv = params.heads / params.kvHeads;
  let blocks = (params.queries + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let b = index / (blocks * params.heads);
  if (b >= params.batch) { return; }
  let head = index / blocks % params.heads;
  let row = index % blocks * WORKGROUP_SIZE + thread;
  if (row >= params.queries) { return; }

  let own = ((b * params.queries + row) * params.heads + head) * length;
  let position = queryPosition(b, row);
  let range = keyRange(b, row, row);
  var rowMax = HIDDEN;
  var rowSum = 0.0;
  for (var j = range.x; j < range.y; j++) {
    let key = ((b * params.keys + j) * params.kvHeads + head / headsPerKv) * length;
    var score = 0.0;
    for (var d = 0u; d < length; d++) { score += product(vec4f(q[own + d]), vec4f(k[key + d])); }
    score = finishScore(score * params.scale, b, head, row, j, range.y, position);
    if (score <= HIDDEN) { continue; }
    let newMax = max(rowMax, score);
    rowSum = rowSum * exp(rowMax - newMax) + exp(score - newMax);
    rowMax = newMax;
  }
  y[(b * params.queries + row) * params.heads + head] = select(0.0, rowMax + log(rowSum), rowSum > 0.0);
}
