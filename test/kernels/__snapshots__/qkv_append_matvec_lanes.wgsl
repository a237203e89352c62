enable subgroups;

struct Params {
  k: u32,
  heads: u32,
  kvHeads: u32,
  headDim: u32,
  half: u32,
  capacity: u32,
  eps: f32,
  offset: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> w2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> cos: array<f32>;
@group(0) @binding(6) var<storage, read> sin: array<f32>;
@group(0) @binding(7) var<storage, read> positions: array<u32>;
@group(0) @binding(8) var<storage, read> past: array<u32>;
@group(0) @binding(9) var<storage, read_write> keys: array<f32>;
@group(0) @binding(10) var<storage, read_write> values: array<f32>;
@group(0) @binding(11) var<storage, read_write> q: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
  return subgroupAdd(value);
}

struct Part {
  weight: u32,
  head: u32,
}

fn partOf(head: u32) -> Part {
  if (head < params.heads) { return Part(0u, head); }
  let kvHead = head - params.heads;
  return Part(1u + kvHead / params.kvHeads, kvHead % params.kvHeads);
}

fn rowsOf(part: Part, i: u32) -> vec2u {
  let neighbours = vec2u(2u * i, 2u * i + 1u);
  let dims = select(neighbours, vec2u(i, i + params.half), i < params.half);
  return part.head * params.headDim + dims;
}

fn storePair(part: Part, i: u32, sums: vec2f) {
  let rows = rowsOf(part, i);
  var pair = sums;

  // Values do not turn, nor do the dims past the tables.
  if (part.weight < 2u && i < params.half) {
    let entry = positions[0] * params.half + i;
    let c = cos[entry];
    let s = sin[entry];
    pair = vec2f(pair.x * c - pair.y * s, pair.y * c + pair.x * s);
  }
  if (part.weight == 0u) {
    q[rows.x] = f32(pair.x); q[rows.y] = f32(pair.y);
    return;
  }
  let slot = past[0];
  if (slot >= params.capacity) { return; }
  let at = slot * params.kvHeads * params.headDim + rows;
  if (part.weight == 1u) {
    keys[at.x] = f32(pair.x); keys[at.y] = f32(pair.y);
  } else {
    values[at.x] = f32(pair.x); values[at.y] = f32(pair.y);
  }
}

const WORKGROUP_SIZE = 8u;
const PAIRS = 2u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,

) {
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let perHead = params.headDim / (2u * PAIRS);
  if (tile >= perHead * (params.heads + 2u * params.kvHeads)) { return; }
  let part = partOf(tile / perHead);
  let pair = tile % perHead * PAIRS;
  let steps = params.k / 4u;
  let rows0 = rowsOf(part, pair + 0u);
  let w0_start = rows0.x * steps;
  let w1_start = rows0.y * steps;
  let rows1 = rowsOf(part, pair + 1u);
  let w2_start = rows1.x * steps;
  let w3_start = rows1.y * steps;

  var sum0 = 0.0;
  var sum1 = 0.0;
  var sum2 = 0.0;
  var sum3 = 0.0;
  if (part.weight == 0u) {
    for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
      let value = vec4f(x[k]);
      sum0 += dot(value, vec4f(w0[w0_start + k]));
      sum1 += dot(value, vec4f(w0[w1_start + k]));
      sum2 += dot(value, vec4f(w0[w2_start + k]));
      sum3 += dot(value, vec4f(w0[w3_start + k]));
    }
  } else if (part.weight == 1u) {
    for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
      let value = vec4f(x[k]);
      sum0 += dot(value, vec4f(w1[w0_start + k]));
      sum1 += dot(value, vec4f(w1[w1_start + k]));
      sum2 += dot(value, vec4f(w1[w2_start + k]));
      sum3 += dot(value, vec4f(w1[w3_start + k]));
    }
  } else {
    for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
      let value = vec4f(x[k]);
      sum0 += dot(value, vec4f(w2[w0_start + k]));
      sum1 += dot(value, vec4f(w2[w1_start + k]));
      sum2 += dot(value, vec4f(w2[w2_start + k]));
      sum3 += dot(value, vec4f(w2[w3_start + k]));
    }
  }
  let totals0 = sumOfThreads(vec4f(sum0, sum1, sum2, sum3), thread);

  var own = vec2f(totals0[0], totals0[1]);
  if (thread == 1u) { own = vec2f(totals0[2], totals0[3]); }
  if (thread < PAIRS) { storePair(part, pair + thread, own); }
}
