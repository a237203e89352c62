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
@group(0) @binding(2) var<storage, read> w0: array<u32>;
@group(0) @binding(3) var<storage, read> w1: array<u32>;
@group(0) @binding(4) var<storage, read> w2: array<u32>;
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

const PLACES = vec4f(1.0, 0.00390625, 1.52587890625e-5, 1.52587890625e-5);

fn stored(word: u32) -> vec4f {
  return vec4f(vec4i(vec4u(vec3u(word), word >> 8u) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
}

    const ZERO = 128.0;
    const VECTORS = 1u;
    const BLOCK_WORDS = 8u;

    fn rowBlocks(columns: u32) -> u32 {
      return (columns + 31u) / 32u;
    }

    fn rowStart(row: u32, columns: u32) -> u32 {
      let blocks = rowBlocks(columns);
      return row * (blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u));
    }

    fn scaleOf_w0(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w0[at];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w1(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w1[at];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w2(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w2[at];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
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

const LANES = 8u;
const PAIRS = 1u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first = workgroupIndex(workgroupId, numWorkgroups) * LANES;
  let perHead = params.headDim / (2u * PAIRS);
  if (first >= perHead * (params.heads + 2u * params.kvHeads)) { return; }
  let part = partOf(first / perHead);
  let pair = (first % perHead + lane) * PAIRS;
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let rows0 = rowsOf(part, pair + 0u);
  let w0_start = rowStart(rows0.x, params.k);
  let w1_start = rowStart(rows0.y, params.k);

  var sum0 = 0.0;
  var sum1 = 0.0;
  if (part.weight == 0u) {
    for (var b = 0u; b < blocks; b++) {
      let q0_0 = w0[w0_start + b * BLOCK_WORDS + 0u];
      let q1_0 = w0[w1_start + b * BLOCK_WORDS + 0u];
      let q0_1 = w0[w0_start + b * BLOCK_WORDS + 1u];
      let q1_1 = w0[w1_start + b * BLOCK_WORDS + 1u];
      let q0_2 = w0[w0_start + b * BLOCK_WORDS + 2u];
      let q1_2 = w0[w1_start + b * BLOCK_WORDS + 2u];
      let q0_3 = w0[w0_start + b * BLOCK_WORDS + 3u];
      let q1_3 = w0[w1_start + b * BLOCK_WORDS + 3u];
      let q0_4 = w0[w0_start + b * BLOCK_WORDS + 4u];
      let q1_4 = w0[w1_start + b * BLOCK_WORDS + 4u];
      let q0_5 = w0[w0_start + b * BLOCK_WORDS + 5u];
      let q1_5 = w0[w1_start + b * BLOCK_WORDS + 5u];
      let q0_6 = w0[w0_start + b * BLOCK_WORDS + 6u];
      let q1_6 = w0[w1_start + b * BLOCK_WORDS + 6u];
      let q0_7 = w0[w0_start + b * BLOCK_WORDS + 7u];
      let q1_7 = w0[w1_start + b * BLOCK_WORDS + 7u];
      // Past the end of a row the last vector stands in: the weight is zero there.
      let at0 = 8u * b + 0u * LANES + lane;
      let raw0 = vec4f(x[min(at0, steps - 1u)]);
      let x0 = raw0;
      let own0 = x0 * PLACES;
      let zero = -ZERO * subgroupAdd(dot(x0, vec4f(1.0)));
      var part0 = zero;
      var part1 = zero;
      let value0 = subgroupBroadcast(own0, 0u);
      part0 += dot(value0, stored(q0_0));
      part1 += dot(value0, stored(q1_0));
      let value1 = subgroupBroadcast(own0, 1u);
      part0 += dot(value1, stored(q0_1));
      part1 += dot(value1, stored(q1_1));
      let value2 = subgroupBroadcast(own0, 2u);
      part0 += dot(value2, stored(q0_2));
      part1 += dot(value2, stored(q1_2));
      let value3 = subgroupBroadcast(own0, 3u);
      part0 += dot(value3, stored(q0_3));
      part1 += dot(value3, stored(q1_3));
      let value4 = subgroupBroadcast(own0, 4u);
      part0 += dot(value4, stored(q0_4));
      part1 += dot(value4, stored(q1_4));
      let value5 = subgroupBroadcast(own0, 5u);
      part0 += dot(value5, stored(q0_5));
      part1 += dot(value5, stored(q1_5));
      let value6 = subgroupBroadcast(own0, 6u);
      part0 += dot(value6, stored(q0_6));
      part1 += dot(value6, stored(q1_6));
      let value7 = subgroupBroadcast(own0, 7u);
      part0 += dot(value7, stored(q0_7));
      part1 += dot(value7, stored(q1_7));
      sum0 += part0 * scaleOf_w0(w0_start, blocks, b);
      sum1 += part1 * scaleOf_w0(w1_start, blocks, b);
    }
  } else if (part.weight == 1u) {
    for (var b = 0u; b < blocks; b++) {
      let q0_0 = w1[w0_start + b * BLOCK_WORDS + 0u];
      let q1_0 = w1[w1_start + b * BLOCK_WORDS + 0u];
      let q0_1 = w1[w0_start + b * BLOCK_WORDS + 1u];
      let q1_1 = w1[w1_start + b * BLOCK_WORDS + 1u];
      let q0_2 = w1[w0_start + b * BLOCK_WORDS + 2u];
      let q1_2 = w1[w1_start + b * BLOCK_WORDS + 2u];
      let q0_3 = w1[w0_start + b * BLOCK_WORDS + 3u];
      let q1_3 = w1[w1_start + b * BLOCK_WORDS + 3u];
      let q0_4 = w1[w0_start + b * BLOCK_WORDS + 4u];
      let q1_4 = w1[w1_start + b * BLOCK_WORDS + 4u];
      let q0_5 = w1[w0_start + b * BLOCK_WORDS + 5u];
      let q1_5 = w1[w1_start + b * BLOCK_WORDS + 5u];
      let q0_6 = w1[w0_start + b * BLOCK_WORDS + 6u];
      let q1_6 = w1[w1_start + b * BLOCK_WORDS + 6u];
      let q0_7 = w1[w0_start + b * BLOCK_WORDS + 7u];
      let q1_7 = w1[w1_start + b * BLOCK_WORDS + 7u];
      // Past the end of a row the last vector stands in: the weight is zero there.
      let at0 = 8u * b + 0u * LANES + lane;
      let raw0 = vec4f(x[min(at0, steps - 1u)]);
      let x0 = raw0;
      let own0 = x0 * PLACES;
      let zero = -ZERO * subgroupAdd(dot(x0, vec4f(1.0)));
      var part0 = zero;
      var part1 = zero;
      let value0 = subgroupBroadcast(own0, 0u);
      part0 += dot(value0, stored(q0_0));
      part1 += dot(value0, stored(q1_0));
      let value1 = subgroupBroadcast(own0, 1u);
      part0 += dot(value1, stored(q0_1));
      part1 += dot(value1, stored(q1_1));
      let value2 = subgroupBroadcast(own0, 2u);
      part0 += dot(value2, stored(q0_2));
      part1 += dot(value2, stored(q1_2));
      let value3 = subgroupBroadcast(own0, 3u);
      part0 += dot(value3, stored(q0_3));
      part1 += dot(value3, stored(q1_3));
      let value4 = subgroupBroadcast(own0, 4u);
      part0 += dot(value4, stored(q0_4));
      part1 += dot(value4, stored(q1_4));
      let value5 = subgroupBroadcast(own0, 5u);
      part0 += dot(value5, stored(q0_5));
      part1 += dot(value5, stored(q1_5));
      let value6 = subgroupBroadcast(own0, 6u);
      part0 += dot(value6, stored(q0_6));
      part1 += dot(value6, stored(q1_6));
      let value7 = subgroupBroadcast(own0, 7u);
      part0 += dot(value7, stored(q0_7));
      part1 += dot(value7, stored(q1_7));
      sum0 += part0 * scaleOf_w1(w0_start, blocks, b);
      sum1 += part1 * scaleOf_w1(w1_start, blocks, b);
    }
  } else {
    for (var b = 0u; b < blocks; b++) {
      let q0_0 = w2[w0_start + b * BLOCK_WORDS + 0u];
      let q1_0 = w2[w1_start + b * BLOCK_WORDS + 0u];
      let q0_1 = w2[w0_start + b * BLOCK_WORDS + 1u];
      let q1_1 = w2[w1_start + b * BLOCK_WORDS + 1u];
      let q0_2 = w2[w0_start + b * BLOCK_WORDS + 2u];
      let q1_2 = w2[w1_start + b * BLOCK_WORDS + 2u];
      let q0_3 = w2[w0_start + b * BLOCK_WORDS + 3u];
      let q1_3 = w2[w1_start + b * BLOCK_WORDS + 3u];
      let q0_4 = w2[w0_start + b * BLOCK_WORDS + 4u];
      let q1_4 = w2[w1_start + b * BLOCK_WORDS + 4u];
      let q0_5 = w2[w0_start + b * BLOCK_WORDS + 5u];
      let q1_5 = w2[w1_start + b * BLOCK_WORDS + 5u];
      let q0_6 = w2[w0_start + b * BLOCK_WORDS + 6u];
      let q1_6 = w2[w1_start + b * BLOCK_WORDS + 6u];
      let q0_7 = w2[w0_start + b * BLOCK_WORDS + 7u];
      let q1_7 = w2[w1_start + b * BLOCK_WORDS + 7u];
      // Past the end of a row the last vector stands in: the weight is zero there.
      let at0 = 8u * b + 0u * LANES + lane;
      let raw0 = vec4f(x[min(at0, steps - 1u)]);
      let x0 = raw0;
      let own0 = x0 * PLACES;
      let zero = -ZERO * subgroupAdd(dot(x0, vec4f(1.0)));
      var part0 = zero;
      var part1 = zero;
      let value0 = subgroupBroadcast(own0, 0u);
      part0 += dot(value0, stored(q0_0));
      part1 += dot(value0, stored(q1_0));
      let value1 = subgroupBroadcast(own0, 1u);
      part0 += dot(value1, stored(q0_1));
      part1 += dot(value1, stored(q1_1));
      let value2 = subgroupBroadcast(own0, 2u);
      part0 += dot(value2, stored(q0_2));
      part1 += dot(value2, stored(q1_2));
      let value3 = subgroupBroadcast(own0, 3u);
      part0 += dot(value3, stored(q0_3));
      part1 += dot(value3, stored(q1_3));
      let value4 = subgroupBroadcast(own0, 4u);
      part0 += dot(value4, stored(q0_4));
      part1 += dot(value4, stored(q1_4));
      let value5 = subgroupBroadcast(own0, 5u);
      part0 += dot(value5, stored(q0_5));
      part1 += dot(value5, stored(q1_5));
      let value6 = subgroupBroadcast(own0, 6u);
      part0 += dot(value6, stored(q0_6));
      part1 += dot(value6, stored(q1_6));
      let value7 = subgroupBroadcast(own0, 7u);
      part0 += dot(value7, stored(q0_7));
      part1 += dot(value7, stored(q1_7));
      sum0 += part0 * scaleOf_w2(w0_start, blocks, b);
      sum1 += part1 * scaleOf_w2(w1_start, blocks, b);
    }
  }

  storePair(part, pair + 0u, vec2f(sum0, sum1));
}
