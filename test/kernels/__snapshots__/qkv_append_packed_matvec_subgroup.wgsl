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
@group(0) @binding(2) var<storage, read> w0: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> w1: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> w2: array<vec4<u32>>;
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
      let pair = w0[at / 4u][at % 4u];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w1(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w1[at / 4u][at % 4u];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w2(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w2[at / 4u][at % 4u];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

var<workgroup> partial: array<vec4f, 64>;

fn sumOfThreads(value: vec4f, thread: u32, subgroupSize: u32) -> vec4f {
  let own = subgroupAdd(value);
  if (subgroupElect()) { partial[thread / subgroupSize] = own; }
  workgroupBarrier();
  var sum = partial[0];
  for (var i = 1u; i < 64u / subgroupSize; i++) { sum += partial[i]; }
  workgroupBarrier();
  return sum;
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

const WORKGROUP_SIZE = 64u;
const PAIRS = 1u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_size) subgroupSize: u32,
) {
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let perHead = params.headDim / (2u * PAIRS);
  if (tile >= perHead * (params.heads + 2u * params.kvHeads)) { return; }
  let part = partOf(tile / perHead);
  let pair = tile % perHead * PAIRS;
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let rows0 = rowsOf(part, pair + 0u);
  let w0_start = rowStart(rows0.x, params.k);
  let w1_start = rowStart(rows0.y, params.k);

  var sum0 = 0.0;
  var sum1 = 0.0;
  if (part.weight == 0u) {
    for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
      let b = unit * 4u / BLOCK_WORDS;
      let q0 = w0[w0_start / 4u + unit];
      let q1 = w0[w1_start / 4u + unit];
      var part0 = 0.0;
      var part1 = 0.0;
      var zero = vec4f();
      {
        let at = unit * 4u + 0u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[0]));
        part1 += dot(placed, stored(q1[0]));
      }
      {
        let at = unit * 4u + 1u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[1]));
        part1 += dot(placed, stored(q1[1]));
      }
      {
        let at = unit * 4u + 2u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[2]));
        part1 += dot(placed, stored(q1[2]));
      }
      {
        let at = unit * 4u + 3u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[3]));
        part1 += dot(placed, stored(q1[3]));
      }
      let taken = ZERO * dot(zero, vec4f(1.0));
      sum0 += (part0 - taken) * scaleOf_w0(w0_start, blocks, b);
      sum1 += (part1 - taken) * scaleOf_w0(w1_start, blocks, b);
    }
  } else if (part.weight == 1u) {
    for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
      let b = unit * 4u / BLOCK_WORDS;
      let q0 = w1[w0_start / 4u + unit];
      let q1 = w1[w1_start / 4u + unit];
      var part0 = 0.0;
      var part1 = 0.0;
      var zero = vec4f();
      {
        let at = unit * 4u + 0u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[0]));
        part1 += dot(placed, stored(q1[0]));
      }
      {
        let at = unit * 4u + 1u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[1]));
        part1 += dot(placed, stored(q1[1]));
      }
      {
        let at = unit * 4u + 2u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[2]));
        part1 += dot(placed, stored(q1[2]));
      }
      {
        let at = unit * 4u + 3u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[3]));
        part1 += dot(placed, stored(q1[3]));
      }
      let taken = ZERO * dot(zero, vec4f(1.0));
      sum0 += (part0 - taken) * scaleOf_w1(w0_start, blocks, b);
      sum1 += (part1 - taken) * scaleOf_w1(w1_start, blocks, b);
    }
  } else {
    for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
      let b = unit * 4u / BLOCK_WORDS;
      let q0 = w2[w0_start / 4u + unit];
      let q1 = w2[w1_start / 4u + unit];
      var part0 = 0.0;
      var part1 = 0.0;
      var zero = vec4f();
      {
        let at = unit * 4u + 0u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[0]));
        part1 += dot(placed, stored(q1[0]));
      }
      {
        let at = unit * 4u + 1u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[1]));
        part1 += dot(placed, stored(q1[1]));
      }
      {
        let at = unit * 4u + 2u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[2]));
        part1 += dot(placed, stored(q1[2]));
      }
      {
        let at = unit * 4u + 3u;
        // Past the end of a row the last vector stands in: the weight is zero there.
        let k = min(at, steps - 1u);
        let raw = vec4f(x[k]);
        let value = raw;
        zero += value;
        let placed = value * PLACES;
        part0 += dot(placed, stored(q0[3]));
        part1 += dot(placed, stored(q1[3]));
      }
      let taken = ZERO * dot(zero, vec4f(1.0));
      sum0 += (part0 - taken) * scaleOf_w2(w0_start, blocks, b);
      sum1 += (part1 - taken) * scaleOf_w2(w1_start, blocks, b);
    }
  }
  let totals0 = sumOfThreads(vec4f(sum0, sum1, 0.0, 0.0), thread, subgroupSize);

  var own = vec2f(totals0[0], totals0[1]);

  if (thread < PAIRS) { storePair(part, pair + thread, own); }
}
