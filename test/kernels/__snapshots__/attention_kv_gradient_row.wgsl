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
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> logSumExp: array<f32>;
@group(0) @binding(6) var<storage, read> delta: array<f32>;
@group(0) @binding(7) var<storage, read_write> dk: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> dv: array<vec4<f32>>;

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
  let blocks = (params.keys + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let index = workgroupIndex(workgroupId, numWorkgroups);
  let b = index / (blocks * params.kvHeads);
  if (b >= params.batch) { return; }
  let head = index / blocks % params.kvHeads;
  let row = index % blocks * WORKGROUP_SIZE + thread;
  if (row >= params.keys) { return; }

  let own = ((b * params.keys + row) * params.kvHeads + head) * length;
  var keyTotal: array<vec4f, MAX_LENGTH>;
  var valueTotal: array<vec4f, MAX_LENGTH>;
  for (var d = 0u; d < length; d++) {
    keyTotal[d] = vec4f();
    valueTotal[d] = vec4f();
  }
  for (var i = 0u; i < params.queries; i++) {
    let range = keyRange(b, i, i);
    let position = queryPosition(b, i);
    if (row < range.x || row >= range.y) { continue; }
    for (var h = head * headsPerKv; h < (head + 1u) * headsPerKv; h++) {
      let rowIndex = (b * params.queries + i) * params.heads + h;
      let query = rowIndex * length;
      var raw = 0.0;
      var dWeight = 0.0;
      for (var d = 0u; d < length; d++) {
        raw += product(vec4f(q[query + d]), vec4f(k[own + d]));
        dWeight += product(vec4f(dy[query + d]), vec4f(v[own + d]));
      }
      raw *= params.scale;
      let score = finishScore(raw, b, h, i, row, range.y, position);
      if (score <= HIDDEN) { continue; }
      let weight = exp(score - logSumExp[rowIndex]);
      let ds = weight * (dWeight - delta[rowIndex]) * softcapSlope(raw);
      for (var d = 0u; d < length; d++) {
        keyTotal[d] += ds * vec4f(q[query + d]);
        valueTotal[d] += weight * vec4f(dy[query + d]);
      }
    }
  }
  for (var d = 0u; d < length; d++) {
    dk[own + d] = keyTotal[d] * params.scale;
    dv[own + d] = valueTotal[d];
  }
}
