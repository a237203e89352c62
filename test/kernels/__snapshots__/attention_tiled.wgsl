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

const ROWS = 16u;
const KEYS = 32u;
const TEAM = 8u;
const WORKGROUP_SIZE = 128u;
const MAX_LENGTH = 32u;

var<workgroup> queryTile: array<vec4f, ROWS * MAX_LENGTH>;
// Keys of a tile, then their values.
var<workgroup> kvTile: array<vec4f, KEYS * MAX_LENGTH>;
// Scores of a tile, then their weights.
var<workgroup> weights: array<f32, ROWS * KEYS>;

fn product(a: vec4f, b: vec4f) -> f32 { return dot(a, b); }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let length = params.headDim / 4u;
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
    queryTile[team * MAX_LENGTH + d] = vec4f(q[own + d]) * params.scale;
  }

  var rowMax = HIDDEN;
  var rowSum = 0.0;
  var total: array<vec4f, MAX_LENGTH / TEAM>;
  for (var begin = keys.x; begin < keys.y; begin += KEYS) {
    for (var item = thread; item < KEYS * length; item += WORKGROUP_SIZE) {
      let j = min(begin + item / length, keys.y - 1u);
      let at = ((b * params.keys + j) * params.kvHeads + kvHead) * length + item % length;
      kvTile[item] = vec4f(k[at]);
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
      kvTile[item] = vec4f(v[at]);
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
    if (d < length) { y[own + d] = vec4<f32>(total[n] * inverse); }
  }
}
