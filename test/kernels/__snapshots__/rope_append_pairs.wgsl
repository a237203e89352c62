struct Params {
  tokens: u32,
  rows: u32,
  heads: u32,
  kvHeads: u32,
  headDim: u32,
  half: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> cos: array<f32>;
@group(0) @binding(3) var<storage, read> sin: array<f32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read> past: array<u32>;
@group(0) @binding(6) var<storage, read_write> keys: array<f32>;
@group(0) @binding(7) var<storage, read_write> values: array<f32>;
@group(0) @binding(8) var<storage, read_write> q: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const WORKGROUP_SIZE = 64u;

// Where a head of a token goes: to q, or to its cache, of which rows beyond the capacity are dropped.
fn store(token: u32, head: u32, d: u32, value: f32) {
  if (head < params.heads) {
    q[(token * params.heads + head) * params.headDim + d] = f32(value);
    return;
  }
  let batch = token / params.tokens;
  let slot = past[batch] + token % params.tokens;
  if (slot >= params.capacity) { return; }
  let kvHead = (head - params.heads) % params.kvHeads;
  let at = ((batch * params.capacity + slot) * params.kvHeads + kvHead) * params.headDim + d;
  if (head < params.heads + params.kvHeads) {
    keys[at] = f32(value);
  } else {
    values[at] = f32(value);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  // Per row: half pairs that turn, then the dims that pass through, one thread each.
  let perRow = params.headDim - params.half;
  let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  let row = index / perRow;
  if (row >= params.rows) { return; }
  let i = index % perRow;
  let perToken = params.heads + 2u * params.kvHeads;
  let token = row / perToken;
  let head = row % perToken;
  let start = row * params.headDim;
  if (i >= params.half) {
    store(token, head, params.half + i, f32(x[start + params.half + i]));
    return;
  }
  let first = i;
  let second = i + params.half;
  let a = f32(x[start + first]);
  let b = f32(x[start + second]);
  // Values do not turn.
  let turns = head < params.heads + params.kvHeads;
  let entry = positions[token] * params.half + i;
  let c = select(1.0, cos[entry], turns);
  let s = select(0.0, sin[entry], turns);
  store(token, head, first, a * c - b * s);
  store(token, head, second, b * c + a * s);
}
